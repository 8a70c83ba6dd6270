"""Check the links inside the repository's Markdown files: `make lint`.

    python -m scripts.check_links

Each relative link and picture must lead to a file or folder of the repository, and each `#anchor` to a heading, by
GitHub's rules. Addresses elsewhere are not asked: lint needs no network. Exits with 1 if a link leads nowhere.
"""

from __future__ import annotations

import difflib
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

from canary.plurals import counted

ROOT = Path(__file__).resolve().parents[1]
IN_HTML = re.compile(r'\b(?:href|src|srcset)="([^"]+)')
NAMED = re.compile(r'<[^>]+\b(?:id|name)="([^"]+)"')


@dataclass(frozen=True)
class Link:
    """A link.

    Attributes:
        line: of its block, from 1.
        target: as it is written.
    """

    line: int
    target: str


def main() -> int:
    """Print what is wrong, and return the exit code."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    pages = [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]
    problems = [problem for page in pages for problem in problems_of(page, ROOT)]
    sys.stderr.write("".join(f"{problem}\n" for problem in problems))
    found = counted(len(problems), "broken link") if problems else "no broken links"
    sys.stdout.write(f"{counted(len(pages), 'Markdown file')}: {found}\n")
    return 1 if problems else 0


def problems_of(page: Path, root: Path) -> Iterator[str]:
    """Yield a sentence for each link of a page that leads nowhere.

    Args:
        page: a Markdown file.
        root: top folder of the repository; links must not leave it.
    """
    for link in links(page.read_text(encoding="utf-8")):
        if why := _why_broken(link.target, page, root):
            yield f"{page.relative_to(root)}:{link.line}: link to {link.target}: {why}"


def links(text: str) -> Iterator[Link]:
    """Yield the links and pictures of a Markdown text, also those in HTML; none of those in code."""
    for block in _tokens(text):
        line = block.map[0] + 1 if block.map else 1
        for token in (block, *(block.children or ())):
            if token.type in ("link_open", "image"):
                yield Link(line, str(token.attrs.get("href") or token.attrs.get("src") or ""))
            elif token.type in ("html_block", "html_inline"):
                several = (one.split(",") for one in IN_HTML.findall(token.content))  # srcset names pictures and widths
                yield from (Link(line, target.split()[0]) for targets in several for target in targets)


def anchors(text: str) -> list[str]:
    """Return the anchors of a Markdown text, as GitHub names them: a heading that comes again gets a number."""
    found: list[str] = []
    seen: Counter[str] = Counter()
    tokens = _tokens(text)
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            slug = _slug(tokens[place + 1])
            found.append(f"{slug}-{seen[slug]}" if seen[slug] else slug)
            seen[slug] += 1
        for part in (token, *(token.children or ())):
            if part.type in ("html_block", "html_inline"):
                found += NAMED.findall(part.content)
    return found


def _slug(heading: Token) -> str:
    texts = (part.content for part in heading.children or () if part.type in ("text", "code_inline"))
    return re.sub(r"[^\w\- ]", "", "".join(texts).strip().lower()).replace(" ", "-")


def _why_broken(target: str, page: Path, root: Path) -> str:
    """Return why a link leads nowhere, empty if it does not, or if it leads to another site."""
    address = urlsplit(target)
    if address.scheme or address.netloc:
        return ""
    path = unquote(address.path)
    to = (root / path[1:] if path.startswith("/") else page.parent / path) if path else page
    if not to.resolve().is_relative_to(root.resolve()):
        return "it leaves the repository"
    if not to.exists():
        near = difflib.get_close_matches(to.name, [one.name for one in to.parent.glob("*")], n=1)
        return "there is no such file" + (f"; did you mean {near[0]}?" if near else "")
    if not address.fragment or to.suffix != ".md":
        return ""
    known = _anchors_of(to.resolve())
    if unquote(address.fragment) in known:
        return ""
    near = difflib.get_close_matches(address.fragment, known, n=1, cutoff=0.4)
    return f"{to.name} has no such heading" + (f"; did you mean #{near[0]}?" if near else "")


@cache
def _anchors_of(page: Path) -> list[str]:
    return anchors(page.read_text(encoding="utf-8"))


def _tokens(text: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(text)


if __name__ == "__main__":
    sys.exit(main())
