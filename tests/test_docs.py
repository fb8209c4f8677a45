"""Docs are code: every command in them is executed, every link leads somewhere, every setting and key is real."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
import yaml
from pydantic import BaseModel

from pipelines.cli import app
from tests import plain_gdal
from tests.conftest import ROOT
from tests.demonstration import Demo
from weft.regions import Region

DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINKING = [*DOCS, ROOT / "CHANGELOG.md"]
SHELLS = ("console", "sh", "bash", "shell")
MAX_PICTURE_BYTES = 300_000
WEFT = ".venv/bin/weft"


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Language and content of each fenced block."""
    for found in re.finditer(r"^```(\w*)[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield found[1], found[2]


def commands(text: str) -> list[str]:
    """Every command of the shell blocks; in a console block, lines without a prompt are output."""
    found = []
    for language, content in blocks(text):
        lines = [line.strip() for line in content.replace("\\\n", " ").splitlines()]
        if language == "console":
            found += [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        elif language in SHELLS:
            found += [line for line in lines if line and not line.startswith("#")]
    return found


def targets() -> set[str]:
    """Documented targets of the Makefile."""
    return set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))


class Reader:
    """Somebody who types every command of a document, one after the other, beside a finished demo."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("WEFT_", "DAGSTER_HOME"))
        }
        programs = folder / ".venv" / "bin"
        if not programs.exists():
            programs.parent.mkdir()
            programs.symlink_to(Path(sys.executable).parent)
            (folder / "deploy").symlink_to(ROOT / "deploy")

    def type(self, command: str) -> None:
        """Execute one command; one that no rule covers is a fault of the document."""
        words = shlex.split(command)
        if words[0] == "make":
            self._make(words[1:])
        elif words[0] == "export":
            self.environment |= dict(word.split("=", 1) for word in words[1:])
        elif words[0] == WEFT:
            self._run(words, command)
        else:
            pytest.fail(f"no rule executes {command!r}; write another command, or a rule for it here")

    def _make(self, wanted: list[str]) -> None:
        assert wanted, "make alone does nothing"
        assert set(wanted) <= targets()
        # Nobody waits for an installation, the demo or the tests inside a test: make is asked what it would do.
        done = subprocess.run(["make", "-n", *wanted], cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip()

    def _run(self, words: list[str], command: str) -> None:
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        assert done.stdout.strip(), f"{command} says nothing"
        assert "\n0 items" not in f"\n{done.stdout}", f"{command} finds nothing"
        if "--json" in words:
            assert json.loads(done.stdout).get("features", True), f"{command} finds nothing"


@pytest.mark.parametrize("path", [path for path in DOCS if commands(path.read_text())], ids=name_of)
def test_every_command_can_be_typed_in_order(path: Path, demo: Demo) -> None:
    reader = Reader(demo.folder)
    for command in commands(path.read_text()):
        reader.type(command)


@pytest.mark.parametrize("path", [path for path in DOCS if "```python" in path.read_text()], ids=name_of)
def test_every_python_example_runs_without_weft(path: Path, demo: Demo) -> None:
    for language, content in blocks(path.read_text()):
        if language == "python":
            assert plain_gdal.run(content, folder=demo.folder).strip()


def test_a_command_without_a_rule_is_a_fault(tmp_path: Path) -> None:
    (command,) = commands("```console\n$ rm -r .weft\nremoved\n```\n")
    with pytest.raises(pytest.fail.Exception, match="no rule executes"):
        Reader(tmp_path).type(command)


def test_every_command_named_in_the_text_exists() -> None:
    named = {
        tuple(code.split())
        for path in LINKING
        for code in re.findall(r"`([^`\n]+)`", path.read_text())
        if code.startswith(("make ", "weft "))
    }
    assert ("make", "test") in named
    for program, *words in named:
        if program == "make":
            assert set(words) <= targets(), f"make {' '.join(words)}"
        else:
            assert_is_command(words)


def assert_is_command(words: list[str]) -> None:
    command = typer.main.get_command(app)
    for word in words:
        names = getattr(command, "commands", {})
        if not names:
            return  # the rest are arguments
        assert word in names, f"weft {' '.join(words)}"
        command = names[word]


@pytest.mark.parametrize("path", LINKING, ids=name_of)
def test_every_link_into_the_repository_leads_somewhere(path: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text()) if "://" not in link]
    missing = [link for link in links if not (path.parent / link.partition("#")[0]).exists()]
    assert not missing


def test_pictures_are_small() -> None:
    large = [name_of(path) for path in (ROOT / "docs").glob("*.png") if path.stat().st_size > MAX_PICTURE_BYTES]
    assert not large


def test_the_readme_names_exactly_the_settings_that_are_read() -> None:
    tree = ast.parse((ROOT / "pipelines" / "settings.py").read_text())
    read = {
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "os.environ.get"
        if isinstance(node.args[0], ast.Constant)
    }
    text = (ROOT / "README.md").read_text()
    assert set(re.findall(r"\b(?:WEFT|DAGSTER)_[A-Z]+\b", text)) == read
    assert set(re.findall(r"^\| `([A-Z_]+)` \|", text, re.MULTILINE)) == read


def keys_of(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted key and default of every leaf, the default as YAML writes it in one line."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from keys_of(inner, f"{prefix}{name}.")
        elif field.is_required():
            yield f"{prefix}{name}", "required"
        else:
            plain = json.loads(json.dumps(field.default))
            yield f"{prefix}{name}", yaml.safe_dump(plain, default_flow_style=True).removesuffix("\n...\n").strip()


def test_the_page_on_region_files_lists_every_key_with_its_default() -> None:
    text = (ROOT / "docs" / "region-file.md").read_text()
    listed = dict(re.findall(r"^\| `([\w.]+)` \| `?([^|`]+?)`? \|", text, re.MULTILINE))
    real = dict(keys_of(Region))
    assert listed.keys() == real.keys()
    for key, default in real.items():
        wanted = default if default == "required" else yaml.safe_load(default)
        assert (listed[key] if wanted == "required" else yaml.safe_load(listed[key])) == wanted, key


def test_the_region_files_in_the_docs_are_valid() -> None:
    examples = [content for path in DOCS for language, content in blocks(path.read_text()) if language == "yaml"]
    assert examples
    for example in examples:
        Region.model_validate(yaml.safe_load(example))
