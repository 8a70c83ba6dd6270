"""Answers per scrape: which variant answered how many, and how many of them were good."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.chart.answers import Answers, Column, draw_answers
from canary.marks import Variant
from tests.canary.chart.picture import Picture


def answers_of(**counts: tuple[float, float]) -> Answers:
    return Answers(
        tuple(
            (Variant(name), tuple(Column(10 * n, 10 * n + 10, *found) for n in range(20)))
            for name, found in counts.items()
        )
    )


def heights(picture: Picture, *classes: str) -> list[float]:
    [columns] = [one for one in picture.all(*classes) if one.tag.endswith("path")]
    return [float(one) for one in re.findall(r"M[^v]+v(-?[\d.]+)", columns.get("d", ""))]


def test_good_answers_stand_above_a_line_and_bad_ones_hang_below_it_to_one_scale() -> None:
    picture = Picture.of(draw_answers(answers_of(baseline=(90, 10), canary=(30, 20)), title="answers"))
    good, bad = heights(picture, "good", "canary"), heights(picture, "bad", "canary")
    assert len(good) == len(bad) == 20
    assert all(one < 0 for one in good)
    assert bad[0] / -good[0] == pytest.approx(20 / 30, rel=0.05)
    assert heights(picture, "good", "baseline")[0] / good[0] == pytest.approx(90 / 30, rel=0.05)


def test_stable_with_ten_times_the_answers_does_not_flatten_the_others() -> None:
    picture = Picture.of(
        draw_answers(answers_of(stable=(900, 100), baseline=(90, 10), canary=(90, 10)), title="answers")
    )
    assert heights(picture, "good", "stable")[0] == pytest.approx(heights(picture, "good", "canary")[0], abs=1)
    assert {"18,000 good", "2,000 bad", "1,800 good", "200 bad"} <= set(picture.texts)


def test_the_answers_are_said_too() -> None:
    picture = Picture.of(draw_answers(answers_of(baseline=(90, 10), canary=(60, 40)), title="answers"))
    assert picture.description == (
        "Answers so far: baseline 1,800 good and 200 others; canary 1,200 good and 800 others."
    )


def test_no_answers_yet_are_said() -> None:
    assert "nothing was counted yet" in Picture.of(draw_answers(Answers(()), title="answers")).texts


counts = st.floats(0, 1e9)


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(st.sampled_from(Variant), st.lists(st.tuples(counts, counts), max_size=5)),
    st.integers(280, 1200),
    st.text(),
)
def test_whatever_the_counts_are_the_picture_is_well_formed(
    found: dict[Variant, list[tuple[float, float]]], width: int, quality: str
) -> None:
    columns = {one: tuple(Column(n, n + 1, *pair) for n, pair in enumerate(pairs)) for one, pairs in found.items()}
    Picture.of(draw_answers(Answers(tuple(columns.items()), quality), width=width, title="answers"))
