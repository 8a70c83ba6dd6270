"""The driver accepts each `canary.yml` that the pages show."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from canary.settings.resolution import resolve
from canary.verdict.measures import Metric

DOCS = Path(__file__).parents[2] / "docs"
SHOWN = [
    (page.name, block)
    for page in sorted(DOCS.rglob("*.md"))
    for block in re.findall(r"```yaml\n(# canary\.yml\n.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
]


@pytest.mark.parametrize(("page", "text"), SHOWN)
def test_a_canary_yml_that_a_page_shows_is_valid(page: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "canary.yml").write_text(text, encoding="utf-8")
    settings = resolve({}, {}, tmp_path).settings
    assert settings.tolerance is not None, page
    for metric in settings.metrics:
        Metric.parse(metric)


def test_some_page_shows_a_canary_yml() -> None:
    assert {page for page, _ in SHOWN} >= {"steps-and-metrics.md"}
