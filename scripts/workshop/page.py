"""The lessons' text: what a page says to type, and what one should then see.

A block of a page has words behind its language, which Markdown does not show:

    sh terminal=2      to type in the second terminal; the next block there begins with Ctrl-C
    sh on=kind         only on kind (or localcluster, or other)
    sh setup           makes a terminal or the cluster ready: `make solve` needs none of it
    sh load            starts the load, which goes on after `make solve`
    sh needs=NAME      only where this variable is set
    text               what one sees after the block before it, in the same terminal
    text terminal=3    what one sees there by now
    promql             a query, to type on the page of Prometheus
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TITLE = re.compile(r"^## (?:(\d+)\. )?(.*)$", re.MULTILINE)
FENCE = re.compile(r"^```(sh|text|promql)\b([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MAIN = "1"


@dataclass(frozen=True)
class Block:
    """Something to type, or something to see.

    Attributes:
        language: `sh`, `text` or `promql`.
        text: between the fences.
        words: behind the language, each with what follows its `=`.
        expected: what one sees after typing it. Empty if nothing is printed.
    """

    language: str
    text: str
    words: Mapping[str, str]
    expected: str = ""

    @property
    def terminal(self) -> str:
        """Where it is typed or seen."""
        return self.words.get("terminal", MAIN)

    def applies(self, place: str, environment: Mapping[str, str]) -> bool:
        """Return whether it is meant for this kind of cluster and machine."""
        needed = self.words.get("needs")
        return self.words.get("on", place) == place and (needed is None or bool(environment.get(needed)))


@dataclass(frozen=True)
class Section:
    """A lesson's part of a page.

    Attributes:
        number: of the lesson; None for a section that is none.
        title: without the number.
        blocks: in the order of the page.
    """

    number: int | None
    title: str
    blocks: tuple[Block, ...]


def sections(page: Path) -> list[Section]:
    """Return the sections of a page that have a heading of the second level."""
    text = page.read_text(encoding="utf-8")
    titles = list(TITLE.finditer(text))
    ends = [title.start() for title in titles[1:]] + [len(text)]
    return [
        Section(int(title[1]) if title[1] else None, title[2], tuple(blocks(text[title.end() : end])))
        for title, end in zip(titles, ends, strict=True)
    ]


def blocks(text: str) -> list[Block]:
    """Return the blocks of a text; each command has what one sees after it."""
    found: list[Block] = []
    for fence in FENCE.finditer(text):
        words = dict(word.partition("=")[::2] for word in fence[2].split())
        block = Block(fence[1], fence[3], words)
        if block.language == "text" and "terminal" not in words:
            command = found.pop()
            block = Block(command.language, command.text, command.words, block.text)
        found.append(block)
    return found
