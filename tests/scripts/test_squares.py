"""The picture of a demo's answers."""

from __future__ import annotations

import re

from scripts.demo.story import Act
from scripts.squares import HIGH, draw, squares

LINES = [
    "100.0 200 sampleapp-canary-6d8f-abcde",
    "100.1 500 sampleapp-canary-6d8f-abcde",
    "100.2 500 sampleapp-6d8f-abcde",
    "100.3 0 [Errno 111] Connection refused",
]
ACT = Act(
    "sampleapp:5", "rejected", "REJECT", {"canary": 100, "baseline": 200}, {"canary": 5, "baseline": 40}, 100, 10, 0
)


def drawn(picture: str, style: str) -> int:
    """Return the number of squares of a style."""
    (path,) = re.findall(rf'<path class="{style}" d="([^"]*)"', picture)
    return str(path).count("M")


def test_each_answer_is_a_square_of_its_variant_and_judgement() -> None:
    picture = draw(list(squares(LINES)), [ACT])
    found = {style: drawn(picture, style) for style in ("good canary", "bad canary", "good stable", "bad stable")}
    assert found == {"good canary": 1, "bad canary": 1, "good stable": 0, "bad stable": 1}
    assert "The 3 answers" in picture
    assert "canary 5% good, baseline 20%" in picture


def test_a_column_is_no_higher_than_its_row() -> None:
    assert drawn(draw(list(squares(LINES[:1] * 50)), [ACT]), "good canary") == HIGH
