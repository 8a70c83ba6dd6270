"""The funnels in docs/verdict.md are what the code draws of the releases that they show."""

from __future__ import annotations

import json

from scripts.make_funnels import RELEASES, draw


def test_the_pictures_in_docs_are_current() -> None:
    pictures = draw(json.loads(RELEASES.read_text()))
    assert {path.name for path in pictures} == {"funnel-promoted.svg", "funnel-rejected.svg"}
    for path, svg in pictures.items():
        again = "draw it again: .venv/bin/python -m scripts.make_funnels"
        assert path.read_text() == svg, f"{path.name} is not what the code draws: {again}"
