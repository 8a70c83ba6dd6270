"""Print the section of CHANGELOG.md for a version, as the notes of its release: scripts/changelog_section.py 0.1.0."""

from __future__ import annotations

import re
import sys
from pathlib import Path

CHANGELOG = Path(__file__).parent.parent / "CHANGELOG.md"


def section(changelog: str, version: str) -> str:
    """Return the text below the heading `## VERSION` or `## VERSION - DATE`, up to the next such heading.

    Raises:
        ValueError: there is no such heading, or nothing below it.
    """
    pattern = rf"^## \[?{re.escape(version)}\]?(?: [^\n]*)?\n(.*?)(?=^## |\Z)"
    found = re.search(pattern, changelog, re.MULTILINE | re.DOTALL)
    if not found:
        raise ValueError(f"no heading '## {version}'. Before you tag, rename '## Unreleased' to '## {version} - DATE'")
    if not found[1].strip():
        raise ValueError(f"nothing below the heading '## {version}'. Write what has changed there")
    return found[1].strip() + "\n"


if __name__ == "__main__":
    try:
        sys.stdout.write(section(CHANGELOG.read_text(encoding="utf-8"), sys.argv[1]))
    except ValueError as error:
        sys.exit(f"{CHANGELOG.name}: {error}")
