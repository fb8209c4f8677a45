"""The outer shell: packaging, locks, image, CI, licence, and what must never be committed."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
from dagster._core.workspace.load import location_origins_from_yaml_paths
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
BUILD = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
LOCKS = {
    "requirements.lock": [*PROJECT["dependencies"], *EXTRAS["dev"], *BUILD],
    "requirements-deploy.lock": [
        *PROJECT["dependencies"],
        *(one for extra, wanted in EXTRAS.items() if extra not in ("dev", "bench") for one in wanted),
    ],
    "requirements-bench.lock": [*PROJECT["dependencies"], *EXTRAS["bench"]],
}
PIN = re.compile(
    r"(?P<name>[A-Za-z0-9._-]+)(?:\[[A-Za-z0-9,._-]+\])?==(?P<version>[A-Za-z0-9.!+]+)(?: ; (?P<marker>[^\\\n]+?))?"
    r" \\\n(?:    --hash=sha256:[0-9a-f]{64}(?: \\\n|\n))+"
)
MACHINES = [
    {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64"},
    {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix", "platform_machine": "arm64"},
]
ENVIRONMENTS = [
    {
        "python_version": python,
        "python_full_version": f"{python}.5",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        **machine,
    }
    for python in ("3.11", "3.12", "3.13")
    for machine in MACHINES
]
# In pieces, so that this file does not name them itself.
INDEX_HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("python" + "hosted", "org"),
        ("anaconda", "org"),
        ("anaconda", "com"),
        ("npmjs", "org"),
        ("ghcr", "io"),
        ("quay", "io"),
        ("docker", "io"),
        ("jfrog", "io"),
    )
]
INDEX_OPTIONS = ["--" + option for option in ("index-url", "extra-index-url", "find-links", "trusted-host")]
HOMES = re.compile(r"(?<![\w.:/-])/(?:" + "|".join(("home", "root", "Users", "work")) + r")/[\w.-]+")


def pins(lock: str) -> list[tuple[str, Version, Marker | None]]:
    """Name, version and marker of every pin; anything in the file that is no pin with hashes fails."""
    text, at, found = (ROOT / lock).read_text(), 0, []
    while at < len(text):
        pin = PIN.match(text, at)
        assert pin, f"{lock} holds something else than a pin with hashes: {text[at : at + 120]!r}"
        marker = Marker(pin["marker"]) if pin["marker"] else None
        found.append((canonicalize_name(pin["name"]), Version(pin["version"]), marker))
        at = pin.end()
    return found


def git(*arguments: str) -> list[str]:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout")
    done = subprocess.run(["git", *arguments, "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.split("\0") if name]


def committed() -> list[Path]:
    """Files that are or would be committed; those that never should be have a test of their own."""
    names = set(git("ls-files", "--cached", "--others", "--exclude-standard"))
    names -= set(git("ls-files", "--cached", "--ignored", "--exclude-standard"))
    return sorted(path for name in names if (path := ROOT / name).is_file())


def test_the_extras_are_the_agreed_ones_and_the_command_exists() -> None:
    assert set(EXTRAS) == {"postgres", "k8s", "celery", "serve", "geomedian", "netcdf", "bench", "dev"}
    module, _, function = PROJECT["scripts"]["weft"].partition(":")
    assert hasattr(importlib.import_module(module), function)


@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_pins_every_requirement_once_on_every_python_and_machine(lock: str) -> None:
    locked = pins(lock)
    for environment in ENVIRONMENTS:
        chosen: dict[str, Version] = {}
        for name, version, marker in locked:
            if marker is None or marker.evaluate(environment):
                assert name not in chosen, f"{lock} pins {name} twice for {environment}"
                chosen[name] = version
        for requirement in map(Requirement, LOCKS[lock]):
            if requirement.marker is None or requirement.marker.evaluate(environment):
                version = chosen.get(canonicalize_name(requirement.name))
                assert version is not None, f"{lock} does not pin {requirement} for {environment}"
                assert requirement.specifier.contains(version, prereleases=True), f"{lock}: {requirement} is {version}"


def test_the_image_runs_the_versions_that_are_tested() -> None:
    tested = {(name, str(marker)): version for name, version, marker in pins("requirements.lock")}
    deployed = {(name, str(marker)): version for name, version, marker in pins("requirements-deploy.lock")}
    assert not {pin for pin in tested.keys() & deployed.keys() if tested[pin] != deployed[pin]}


def test_nothing_that_gitignore_names_is_tracked() -> None:
    tracked = git("ls-files", "--cached", "--ignored", "--exclude-standard")
    assert not tracked, f"{len(tracked)} ignored files are tracked, such as {tracked[0]}; git rm -r --cached them"


def test_no_committed_file_names_a_package_index_or_a_developers_folder() -> None:
    faults = []
    for path in committed():
        text = path.read_text(encoding="utf-8", errors="ignore")
        faults += [f"{path.relative_to(ROOT)}: {word}" for word in (*INDEX_HOSTS, *INDEX_OPTIONS) if word in text]
        faults += [f"{path.relative_to(ROOT)}: {found}" for found in HOMES.findall(text)]
    assert not faults


def test_the_patterns_find_what_they_are_for() -> None:
    assert HOMES.findall("cp /home/" + "me/x /tmp") == ["/home/" + "me"]
    assert not HOMES.findall("tests" + "/work" + "/x https://host/home/page")


def instructions() -> list[tuple[str, str]]:
    text = (ROOT / "deploy" / "Dockerfile").read_text()
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [(line.split(None, 1)[0], line.split(None, 1)[1].strip()) for line in joined]


def test_the_image_is_built_of_what_is_there_in_stages_and_runs_without_privileges() -> None:
    steps = instructions()
    assert [name for name, _ in steps].count("FROM") >= 2
    ignored = (ROOT / ".dockerignore").read_text().split()
    sources = [
        source
        for name, rest in steps
        if name == "COPY" and not rest.startswith("--from=")
        for source in shlex.split(rest)[:-1]
    ]
    assert {"weft", "resources", "assets", "pipelines"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists(), f"COPY {source}"
        assert source.split("/")[0] not in ignored, f"COPY {source} finds nothing, .dockerignore names it"
    last_stage = steps[max(at for at, (name, _) in enumerate(steps) if name == "FROM") :]
    users = [rest for name, rest in last_stage if name == "USER"]
    assert users
    assert users[-1].split(":")[0] not in ("root", "0")


def test_the_command_of_the_image_can_be_started() -> None:
    (command,) = [json.loads(rest) for name, rest in instructions() if name == "CMD"]
    module = command[command.index("-m") + 1]
    assert importlib.util.find_spec(module)
    pinned = {name for name, _, _ in pins("requirements-deploy.lock")}
    assert command[0] in pinned


def test_ci_is_executable_and_does_every_step() -> None:
    path = ROOT / ".ci" / "run"
    assert os.access(path, os.X_OK)
    lines = path.read_text().splitlines()
    order = [
        lines.index(step)
        for step in (
            "make install",
            "make lint",
            "make test",
            "make demo",
            ".venv/bin/python -m tests.check_report .weft/demo/report.json",
        )
    ]
    assert order == sorted(order)
    assert "set -euo pipefail" in lines


def test_make_help_names_every_target_that_is_there() -> None:
    text = (ROOT / "Makefile").read_text()
    phony = set(re.search(r"^\.PHONY:(.*)$", text, re.MULTILINE)[1].split())
    shown = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split()[0] for line in shown.splitlines()} == phony


def test_the_licence_is_apache_2() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    text = (ROOT / "LICENSE").read_text()
    assert text.split("\n", 3)[1].strip() == "Apache License"
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_workspace_loads_the_definitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    origins = location_origins_from_yaml_paths(["workspace.yaml"])
    assert [origin.location_name for origin in origins] == ["weft"]
    assert [origin.loadable_target_origin.module_name for origin in origins] == ["pipelines.definitions"]
