"""The line of a how-to that says on which Kubernetes its commands were run last: `make e2e` writes it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from e2e.documented_commands import BY_FIXTURE, DOCS, commands, lines

LINE = re.compile(r"^Last run on (?:Kubernetes (\S+), by `make e2e`|localcluster, by `make test`)", re.MULTILINE)


def howtos() -> list[str]:
    """Return the pages in the section How-to of docs/README.md."""
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    section = index.partition("\n## How-to\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| \[[^]]+\]\(([\w-]+\.md)\) \|", section, re.MULTILINE)


def to_type(page: str) -> list[str]:
    """Return the lines of a page that tests on a cluster type."""
    every = [line for block in commands(page) if "not-run" not in block.words for line in lines(block)]
    return [line for line in every if not line.startswith(BY_FIXTURE)]


def write(typed: Path, version: str) -> list[str]:
    """Write the version into each how-to whose every line was typed; return what was done or is missing, in sentences.

    Args:
        typed: file with the lines that a run has typed.
        version: of Kubernetes, such as `v1.35.4`.
    """
    if not typed.exists():
        return []
    ran = {tuple(json.loads(line)) for line in typed.read_text(encoding="utf-8").splitlines()}
    said = []
    for page in howtos():
        text = (DOCS / page).read_text(encoding="utf-8")
        wanted = to_type(page)
        missing = [line for line in wanted if (page, line) not in ran]
        if len(missing) == len(wanted):
            continue
        if missing:
            said.append(f"docs/{page} is unchanged: {len(missing)} of {len(wanted)} lines were not run: {missing[0]}")
        elif (new := LINE.sub(f"Last run on Kubernetes {version}, by `make e2e`", text)) != text:
            (DOCS / page).write_text(new, encoding="utf-8")
            said.append(f"docs/{page}: last run on Kubernetes {version}")
    return said
