"""Versions of the sample app, made by editing one line, as in the tutorial."""

from __future__ import annotations

import re
import shutil
from pathlib import Path


def write_version(app: Path, folder: Path, success_rate: int) -> Path:
    """Copy the app's build context into `folder`, with its line `success_rate = …` edited; returns the folder."""
    shutil.copytree(app, folder, ignore=shutil.ignore_patterns("__pycache__"))
    source = folder / "app.py"
    text, edits = re.subn(
        r"^success_rate = \d+$", f"success_rate = {success_rate}", source.read_text(), flags=re.MULTILINE
    )
    assert edits == 1, f"{source}: one line 'success_rate = …' expected, {edits} found"
    source.write_text(text)
    return folder
