"""`.devcontainer/devcontainer.json`, as far as can be seen without Docker."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet


@pytest.fixture
def devcontainer(repository: Path) -> dict[str, Any]:
    text = (repository / ".devcontainer/devcontainer.json").read_text()
    return dict(json.loads(re.sub(r"^ *//.*$", "", text, flags=re.MULTILINE)))


def test_its_image_has_a_python_that_the_project_supports(devcontainer: dict[str, Any], repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    image = re.fullmatch(r"python:(\d+\.\d+)-\w+", devcontainer["image"])
    assert image
    assert image[1] in SpecifierSet(project["requires-python"])


def test_it_makes_the_environment_by_a_target_of_the_makefile(devcontainer: dict[str, Any], repository: Path) -> None:
    make, target = devcontainer["updateContentCommand"].split()
    assert make == "make"
    assert re.search(rf"^{target}:", (repository / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize(("command", "is_console"), [("canary", True), ("localcluster", False)])
def test_of_all_ports_it_forwards_those_of_the_console(
    devcontainer: dict[str, Any], command: str, is_console: bool
) -> None:
    (pattern,) = devcontainer["portsAttributes"]
    bin_folder = Path(sys.executable).parent
    process = f"{sys.executable} {bin_folder / command} console --no-open"
    assert bool(re.search(pattern, process)) is is_console
    assert devcontainer["otherPortsAttributes"] == {"onAutoForward": "ignore"}
