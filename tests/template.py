"""A copy of the repository with its present files committed, for tests that fork it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
IS_FORK = yaml.safe_load((ROOT / "manifests/deployment.yml").read_text())["metadata"]["name"] != "sampleapp"
"""Whether the app of this repository has another name already, so that it cannot be forked again."""

IDENTITY = {f"GIT_{who}_{what}": "a@b.example" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "core.autocrlf=false", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | IDENTITY).stdout


def committed_copy(folder: Path) -> Path:
    """Copy the repository into a folder, and commit it there."""
    listed = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for path in listed:
        if path and (ROOT / path).is_file():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, folder / path)
    git(folder, "init", "--quiet")
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "-m", "template")
    return folder
