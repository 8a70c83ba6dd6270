"""Links inside the Markdown files are checked, by GitHub's rules for anchors."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.check_links import anchors, links, problems_of

PAGE = """# What `canary` promises, and what it doesn't

## Before & after: 100 %
### Steps
Words under a heading
---------------------
## Steps
<a id="old-name"></a>
"""


def test_anchors_are_those_of_github() -> None:
    assert anchors(PAGE) == [
        "what-canary-promises-and-what-it-doesnt",
        "before--after-100-",
        "steps",
        "words-under-a-heading",
        "steps-1",
        "old-name",
    ]


def test_links_in_text_tables_references_and_html_are_found_and_those_in_code_are_not() -> None:
    text = (
        "# Page\n\n[a](a.md) and `[b](b.md)`\n\n```sh\n[c](c.md)\n```\n\n| x |\n| --- |\n| [d](d.md) |\n\n"
        '![e](e.png)\n\n<picture>\n<source srcset="f.png 1x, f2.png 2x">\n</picture>\n\n[g][1]\n\n[1]: g.md\n'
    )
    assert [(one.line, one.target) for one in links(text)] == [
        (3, "a.md"),
        (11, "d.md"),
        (13, "e.png"),
        (15, "f.png"),
        (15, "f2.png"),
        (19, "g.md"),
    ]


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("docs/other.md", ""),
        ("docs/other.md#steps-1", ""),
        ("#here", ""),
        ("docs", ""),
        ("/docs/other.md#steps", ""),
        ("/other.md", "there is no such file"),
        ("https://example.org/no-such-page#x", ""),
        ("docs/othr.md", "there is no such file; did you mean other.md?"),
        ("docs/other.md#step", "other.md has no such heading; did you mean #steps?"),
        ("#there", "page.md has no such heading; did you mean #here?"),
        ("../elsewhere.md", "it leaves the repository"),
    ],
)
def test_a_broken_link_is_named_with_what_may_be_meant(target: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "other.md").write_text(PAGE)
    page = tmp_path / "page.md"
    page.write_text(f"# Here\n\n[link]({target})\n")
    expected = [f"page.md:3: link to {target}: {why}"] if why else []
    assert list(problems_of(page, tmp_path)) == expected
