"""The commands in the pages exist: options of `canary`, targets and variables of `make`, files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from canary.cli.main import canary
from e2e.documented_commands import commands
from e2e.documented_commands import lines as lines_of
from e2e.last_run import howtos
from scripts.check_links import links
from tests.template import IS_FORK

ROOT = Path(__file__).parents[2]
PAGES = howtos()


def lines(page: str) -> list[list[str]]:
    """Return the words of the lines of a page's shell blocks, also of those that are not run."""
    return [line.split() for block in commands(page) for line in lines_of(block)]


LINES = [line for page in PAGES for line in lines(page)]


@pytest.mark.parametrize("line", [line for line in LINES if line[0] == "canary"], ids=" ".join)
def test_documented_options_of_canary_exist(line: list[str]) -> None:
    known = {option for parameter in canary.commands[line[1]].params for option in parameter.opts}
    assert {word for word in line if word.startswith("--")} <= known


@pytest.mark.parametrize("line", [line for line in LINES if line[0] == "make"], ids=" ".join)
def test_documented_targets_and_variables_of_make_exist(line: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for word in line[1:]:
        name, is_variable, _ = word.partition("=")
        assert re.search(rf"^{name} \??=" if is_variable else rf"^{name}:", makefile, re.MULTILINE), word


@pytest.mark.parametrize("line", [line for line in LINES if line[:2] == ["kubectl", "apply"]], ids=" ".join)
def test_files_in_documented_kubectl_commands_exist(line: list[str]) -> None:
    flag = next(word for word in line if word in ("-f", "-k"))
    assert (ROOT / line[line.index(flag) + 1]).exists()


@pytest.mark.parametrize("page", PAGES)
def test_options_named_in_the_text_are_options_of_release(page: str) -> None:
    known = {option for parameter in canary.commands["release"].params for option in parameter.opts}
    assert set(re.findall(r"`(--(?:prometheus|interval)[\w-]*)", (ROOT / "docs" / page).read_text())) <= known


def test_the_pictures_of_the_readme_exist_and_are_small_enough_to_load_at_once() -> None:
    files = re.findall(r'(?:srcset|src)="(docs/images/[^"]+)"', (ROOT / "README.md").read_text())
    assert len(files) == 2
    assert all((ROOT / file).stat().st_size < 400_000 for file in files)


@pytest.mark.skipif(IS_FORK, reason="the names of a fork may be longer")
def test_no_line_of_the_readme_is_too_long_to_edit() -> None:
    assert [line for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines() if len(line) > 140] == []


def test_every_page_of_the_docs_is_two_clicks_away_from_the_readme() -> None:
    index = ROOT / "docs" / "README.md"
    assert "docs/README.md" in {link.target for link in links((ROOT / "README.md").read_text())}
    listed = {(index.parent / link.target.partition("#")[0]).resolve() for link in links(index.read_text())}
    assert {page for page in (ROOT / "docs").rglob("*.md") if page != index} - listed == set()
