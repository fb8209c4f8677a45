"""The rules of the house, read off the syntax trees of all sources (design sections 2, 4 and 9)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

MAY_IMPORT = {
    "weft": {"weft"},
    "resources": {"resources", "weft"},
    "assets": {"assets", "resources", "weft"},
    "pipelines": {"pipelines", "assets", "resources", "weft"},
    "portal": {"portal", "resources", "weft"},
}
OUR_OWN = {*MAY_IMPORT, "tests", "benchmarks"}
OPENING = ("rasterio.open", "rasterio.shutil")
WARPING = ("rasterio.warp", "rasterio.vrt")
MAY_USE = {
    "weft/rasters/gdal.py": OPENING,
    "weft/rasters/cog.py": OPENING,
    "weft/rasters/picture.py": OPENING,
    "weft/rasters/warping.py": WARPING,
    "weft/simulation/files.py": (*OPENING, *WARPING),
    "benchmarks/rasters.py": (*OPENING, *WARPING),  # the bare cost that Weft is compared with
}
DANGEROUS = (
    *("eval", "exec", "compile", "__import__", "importlib.import_module", "os.system", "os.popen", "osgeo"),
    *("pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "yaml.load", "yaml.unsafe_load"),
)
QUIET = {"weft", "resources", "assets"}


def violations(path: str, source: str) -> list[str]:
    """What a module breaks; ``path`` is relative to the checkout."""
    tree = ast.parse(source)
    imports = list(_imports(tree))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    aliases = {local: name for _, name, local in imports if local}
    used = {_dotted(node, aliases) for node in ast.walk(tree) if isinstance(node, ast.Name | ast.Attribute)}
    used |= {name for _, name, _ in imports}
    return [
        *_wrong_imports(path, imports),
        *_wrong_rasterio(path, used),
        *_dangers(used, calls, aliases),
        *_wrong_form(path, tree, calls, aliases),
    ]


def _wrong_imports(path: str, imports: list[tuple[int, str, str]]) -> Iterator[str]:
    room = path.partition("/")[0]
    for level, name, _ in imports:
        package = name.partition(".")[0]
        if level:
            yield f"relative import of {name or '.'}"
        elif room in MAY_IMPORT and package in OUR_OWN - MAY_IMPORT[room]:
            yield f"{room} must not import {package}"
        elif room == "weft" and package.startswith("dagster"):
            yield "weft must not import dagster"


def _wrong_rasterio(path: str, used: set[str]) -> Iterator[str]:
    for name in (*OPENING, *WARPING):
        if name not in MAY_USE.get(path, ()) and _uses(used, name):
            yield f"{name} is not for this module"


def _dangers(used: set[str], calls: list[ast.Call], aliases: dict[str, str]) -> Iterator[str]:
    for name in DANGEROUS:
        if _uses(used, name):
            yield f"{name} does not exist here"
    for call in calls:
        for keyword in call.keywords:
            if keyword.arg in ("shell", "allow_pickle") and not _is_false(keyword.value):
                yield f"{keyword.arg}=True does not exist here"
        if isinstance(call.func, ast.Name) and call.func.id == "getattr" and call.args:
            subject = _dotted(call.args[0], aliases)
            if subject == "numpy" or subject.startswith("numpy."):
                yield "getattr(numpy, ...) does not exist here"


def _wrong_form(path: str, tree: ast.Module, calls: list[ast.Call], aliases: dict[str, str]) -> Iterator[str]:
    if not (ast.get_docstring(tree) or "").strip():
        yield "no module docstring"
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for base in node.bases:
                if _dotted(base, aliases).endswith("PartitionMapping"):
                    yield f"{node.name} subclasses PartitionMapping"
    if path.partition("/")[0] in QUIET and any(_dotted(call.func, aliases) == "print" for call in calls):
        yield "print belongs to the command line"


def _imports(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """(relative level, full dotted name, local name) of everything imported anywhere in a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield 0, alias.name, alias.asname or ""  # "import a.b" binds a, which already is its own full name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                full = ".".join(part for part in (node.module, alias.name) if part)
                yield node.level, full, alias.asname or alias.name


def _dotted(node: ast.expr, aliases: dict[str, str]) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value, aliases)}.{node.attr}"
    return aliases.get(node.id, node.id) if isinstance(node, ast.Name) else "?"


def _uses(used: set[str], name: str) -> bool:
    return any(found == name or found.startswith(f"{name}.") for found in used)


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


SOURCES = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in (*MAY_IMPORT, "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
    if "__pycache__" not in path.parts
)


@pytest.mark.parametrize("path", SOURCES)
def test_the_house_keeps_its_rules(path):
    assert violations(path, (ROOT / path).read_text(encoding="utf-8")) == []


def test_every_room_was_looked_at():
    rooms = {path.partition("/")[0] for path in SOURCES}
    assert {"weft", "resources", "assets", "pipelines"} <= rooms
    assert all((ROOT / path).is_file() for path in MAY_USE)


DOC = '"""What belongs here."""\n'


@pytest.mark.parametrize(
    ("path", "source", "broken"),
    [
        ("weft/a.py", "import resources", "weft must not import resources"),
        ("weft/a.py", "from assets.units import Unit", "weft must not import assets"),
        ("weft/a.py", "def f():\n    import pipelines.cli", "weft must not import pipelines"),
        ("weft/a.py", "import tests.oracles", "weft must not import tests"),
        ("weft/a.py", "import dagster as dg", "weft must not import dagster"),
        ("weft/a.py", "from dagster_aws.s3 import S3Resource", "weft must not import dagster"),
        ("weft/a.py", "if TYPE_CHECKING:\n    from dagster import X", "weft must not import dagster"),
        ("weft/a/b.py", "from .. import errors", "relative import of errors"),
        ("resources/a.py", "from assets import composite", "resources must not import assets"),
        ("resources/a.py", "import pipelines", "resources must not import pipelines"),
        ("assets/a.py", "import pipelines.definitions", "assets must not import pipelines"),
        ("pipelines/a.py", "import portal", "pipelines must not import portal"),
        ("portal/a.py", "import assets", "portal must not import assets"),
        ("weft/a.py", "import rasterio\nrasterio.open('x')", "rasterio.open is not for this module"),
        ("weft/a.py", "import rasterio as rio\nwith rio.open('x'): pass", "rasterio.open is not for this module"),
        ("weft/a.py", "from rasterio import open as look", "rasterio.open is not for this module"),
        ("weft/a.py", "import rasterio.shutil", "rasterio.shutil is not for this module"),
        ("weft/a.py", "from rasterio.shutil import copy", "rasterio.shutil is not for this module"),
        ("weft/a.py", "from rasterio.warp import reproject", "rasterio.warp is not for this module"),
        ("weft/a.py", "from rasterio.vrt import WarpedVRT", "rasterio.vrt is not for this module"),
        ("resources/a.py", "import rasterio\nf = rasterio.open", "rasterio.open is not for this module"),
        ("weft/rasters/warping.py", "import rasterio\nrasterio.open('x')", "rasterio.open is not for this module"),
        ("weft/rasters/cog.py", "import rasterio.warp", "rasterio.warp is not for this module"),
        ("weft/a.py", "eval('1')", "eval does not exist here"),
        ("pipelines/a.py", "exec('1')", "exec does not exist here"),
        ("weft/a.py", "__import__('os')", "__import__ does not exist here"),
        ("assets/a.py", "import pickle", "pickle does not exist here"),
        ("assets/a.py", "from pickle import loads", "pickle does not exist here"),
        ("weft/a.py", "import os\nos.system('true')", "os.system does not exist here"),
        ("weft/a.py", "from os import system as go", "os.system does not exist here"),
        ("weft/a.py", "from osgeo import gdal", "osgeo does not exist here"),
        ("weft/a.py", "import yaml\nyaml.load(x, Loader=L)", "yaml.load does not exist here"),
        ("pipelines/a.py", "import subprocess\nsubprocess.run('ls', shell=True)", "shell=True does not exist here"),
        ("benchmarks/a.py", "from subprocess import Popen\nPopen(c, shell=x)", "shell=True does not exist here"),
        ("weft/a.py", "import numpy as np\nnp.load(f, allow_pickle=True)", "allow_pickle=True does not exist here"),
        ("weft/a.py", "import numpy as np\ngetattr(np, text)", "getattr(numpy, ...) does not exist here"),
        ("weft/a.py", "import numpy as np\ngetattr(np.linalg, text)", "getattr(numpy, ...) does not exist here"),
        ("assets/a.py", "import dagster as dg\nclass M(dg.PartitionMapping): pass", "M subclasses PartitionMapping"),
        ("assets/a.py", "from dagster import MultiPartitionMapping as B\nclass M(B): pass", "M subclasses"),
        ("weft/a.py", "print('x')", "print belongs to the command line"),
        ("resources/a.py", "def f():\n    print('x')", "print belongs to the command line"),
        ("assets/a.py", "print()", "print belongs to the command line"),
    ],
)
def test_each_rule_can_fail(path, source, broken):
    found = violations(path, DOC + source)
    assert len(found) == 1
    assert broken in found[0]


@pytest.mark.parametrize("source", ["", "x = 1", '"""   """', "# a comment"])
def test_a_module_needs_a_docstring(source):
    assert violations("weft/__init__.py", source) == ["no module docstring"]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("weft/rasters/gdal.py", "import rasterio\nrasterio.open('x')"),
        ("weft/rasters/cog.py", "import rasterio.shutil\nrasterio.shutil.copy(a, b)"),
        ("weft/rasters/warping.py", "from rasterio.warp import reproject"),
        ("weft/simulation/files.py", "import rasterio\nrasterio.open('x')"),
        ("weft/a.py", "from rasterio.io import MemoryFile\nwith MemoryFile() as m: m.open(driver='PNG')"),
        ("weft/a.py", "import re\nre.compile('x')\nopen('x')\nexpression.eval_count"),
        ("weft/a.py", "import subprocess\nsubprocess.run(['ls'], shell=False)"),
        ("weft/a.py", "import yaml\nyaml.safe_load(x)"),
        ("weft/a.py", "getattr(thing, 'name')"),
        ("resources/a.py", "import dagster\nfrom weft import errors"),
        ("assets/a.py", "from dagster import StaticPartitionMapping\nM = StaticPartitionMapping({})"),
        ("pipelines/a.py", "import assets, resources, weft\nprint('x')"),
        ("portal/a.py", "import resources, weft"),
        ("weft/a.py", "from weft.assets_like import x"),
    ],
)
def test_what_is_allowed_passes(path, source):
    assert violations(path, DOC + source) == []
