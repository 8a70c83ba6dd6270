"""The workflow release.yml, run up to where it would publish: wheel, notes, checksums and the driver's image."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from canary import __version__
from e2e.cluster import ROOT
from scripts.changelog_section import section
from tests.pipelines.github.runner import Run
from tests.pipelines.github.workflow import read_workflow
from tests.pipelines.workbench import Workbench

NOTES = "This is the first version.\n\n- **`canary`** releases"


def git(folder: Path, *arguments: str) -> None:
    own = ("-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *own, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Give a clone of this repository whose changelog has a section for the version."""
    folder = tmp_path / "repository"
    git(tmp_path, "clone", "--depth", "1", f"file://{ROOT}", str(folder))
    changelog = folder / "CHANGELOG.md"
    changelog.write_text(changelog.read_text().replace("## Unreleased", f"## {__version__} - 2026-12-01"))
    git(folder, "commit", "--all", "--message", "Release")
    return folder


def run_of(workbench: Workbench, repository: Path, folder: Path, tag: str) -> Run:
    """Run the workflow for a tag. `gh` would publish; here it writes down what it is called with."""
    gh = workbench.folder / "bin/gh"
    workbench.environment()
    gh.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{folder}/gh\ncp notes.md {folder}\n')
    gh.chmod(0o755)
    run = Run(
        read_workflow((ROOT / ".github/workflows/release.yml").read_text()),
        repository,
        folder,
        workbench,
        ref_name=tag,
    )
    run.start()
    return run


@pytest.mark.long
def test_a_tag_releases_a_wheel_that_works_with_notes_and_checksums(
    workbench: Workbench, repository: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    run = run_of(workbench, repository, folder, f"v{__version__}")
    assert run.results == {"wheel": "success", "image": "success", "publish": "success"}, run.jobs["wheel"].log
    wheel = f"canary_lab-{__version__}-py3-none-any.whl"
    sums = (run.artifacts / "dist/SHA256SUMS").read_text()
    tag = f"v{__version__}"
    assert (folder / "gh").read_text().split() == [
        *("release", "create", tag, "--verify-tag", "--title", tag, "--notes-file", "notes.md", "--"),
        *(wheel, "SHA256SUMS"),
    ]
    assert (folder / "notes.md").read_text().startswith(NOTES)
    assert f"{wheel}: OK" in run.jobs["publish"].log

    run.again("wheel")
    assert (run.artifacts / "dist/SHA256SUMS").read_text() == sums

    with zipfile.ZipFile(run.artifacts / "dist" / wheel) as content:
        names = set(content.namelist())
    assert {"canary/cli/main.py", "canary/canary.schema.json", "canary/py.typed", "localcluster/cli.py"} <= names
    assert not [
        name
        for name in names
        if name.partition("/")[0] not in ("canary", "localcluster", f"canary_lab-{__version__}.dist-info")
    ]
    empty = tmp_path / "empty"
    subprocess.run([sys.executable, "-m", "venv", empty], check=True)
    pip = (empty / "bin/pip", "install", "--quiet", "--no-index", "--no-deps", run.artifacts / "dist" / wheel)
    subprocess.run(pip, check=True)
    given = os.environ | {"PYTHONPATH": sysconfig.get_path("purelib")}  # the dependencies, without the network
    done = subprocess.run([empty / "bin/canary", "--version"], env=given, capture_output=True, text=True, check=True)
    assert done.stdout == f"canary, version {__version__}\n"


def test_a_tag_that_is_not_the_version_releases_nothing(workbench: Workbench, repository: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    run = run_of(workbench, repository, folder, "v9.9.9")
    assert run.results == {"wheel": "failure", "image": "skipped", "publish": "skipped"}
    assert (
        f"::error::the tag is v9.9.9, but pipeline/canary/__init__.py has version {__version__}."
        in run.jobs["wheel"].log
    )


def test_the_notes_are_the_section_of_the_version() -> None:
    changelog = "# Changelog\n\n## Unreleased\n\n## 1.1.0 - 2026-12-01\n\n- **New**\n\n### More\n\ntext\n\n## 1.0.0\n\n"
    changelog += "## [0.9]\nold\n"
    assert section(changelog, "1.1.0") == "- **New**\n\n### More\n\ntext\n"
    assert section(changelog, "0.9") == "old\n"
    with pytest.raises(ValueError, match=r"nothing below the heading '## 1\.0\.0'"):
        section(changelog, "1.0.0")
    with pytest.raises(ValueError, match=r"no heading '## 1\.1'\. Before you tag"):
        section(changelog, "1.1")
