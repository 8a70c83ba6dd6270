"""All variants are on one axis, so that one can see which of them differs."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.chart.lines import Line, Lines, draw_lines
from canary.marks import Variant
from tests.canary.chart.picture import Picture

START = 1.7e9
SHARES = {Variant.STABLE: 0.97, Variant.BASELINE: 0.95, Variant.CANARY: 0.8}


def lines_of(values: dict[Variant, float], unit: str = "share") -> Lines:
    points = {one: tuple((START + 10 * n, value) for n in range(30)) for one, value in values.items()}
    lines = tuple(Line(one, found) for one, found in points.items())
    return Lines(lines, unit, ("good answers in percent",))  # type: ignore[arg-type]


def test_all_variants_share_one_axis_and_lie_where_it_says() -> None:
    picture = Picture.of(draw_lines(lines_of(SHARES), title="shares"))
    for variant, share in SHARES.items():
        [line] = picture.paths("line", str(variant))
        assert picture.value(line[-1][1]) == pytest.approx(100 * share, abs=0.1)
    assert {"stable 97.0 %", "baseline 95.0 %", "canary 80.0 %"} <= set(picture.texts)
    assert picture.description == "good answers in percent: stable 97.0 %, baseline 95.0 %, canary 80.0 %."


def test_rates_begin_at_zero() -> None:
    picture = Picture.of(draw_lines(lines_of({Variant.CANARY: 120.0, Variant.BASELINE: 60.0}, "rate"), title="rates"))
    [axis] = [line for line in picture.paths("axis") if line[0][1] == line[1][1]]
    assert picture.value(axis[0][1]) == pytest.approx(0, abs=0.5)
    [line] = picture.paths("line", "baseline")
    assert picture.value(line[0][1]) == pytest.approx(60, abs=0.5)
    assert "canary 120" in picture.texts


@pytest.mark.parametrize(
    "values", [SHARES, dict.fromkeys(Variant, 0.9), {Variant.CANARY: 1.0, Variant.BASELINE: 0.9999}]
)
def test_names_never_lie_on_each_other(values: dict[Variant, float]) -> None:
    picture = Picture.of(draw_lines(lines_of(values), title="shares"))
    names = sorted(float(one.get("y", "")) for one in picture.all("strong"))
    assert len(names) == len(values)
    assert all(later - earlier >= 14 for earlier, later in pairwise(names))


def test_a_narrow_picture_has_its_names_below() -> None:
    picture = Picture.of(draw_lines(lines_of(SHARES), width=348, title="shares"))
    bottom = max(float(one.get("y", "")) for one in picture.all("quiet", "middle"))
    assert all(
        float(one.get("y", "")) > bottom for one in picture.root.iter() if (one.text or "").startswith("canary ")
    )


def test_a_time_without_values_is_a_gap() -> None:
    points = tuple((START + 10 * n, None if 10 <= n < 20 else 0.9) for n in range(30))
    lines = Lines((Line(Variant.CANARY, points),), "share", ("good answers in percent",))
    assert len(Picture.of(draw_lines(lines, title="shares")).paths("line", "canary")) == 2


def test_nothing_counted_is_said() -> None:
    picture = Picture.of(draw_lines(Lines((), "share", ("good answers in percent",)), title="shares"))
    assert "nothing was counted yet" in picture.texts
    assert picture.description == "Nothing was counted yet."


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(Variant),
        st.lists(st.tuples(st.floats(0, 1e6), st.none() | st.floats(allow_nan=True, allow_infinity=True)), max_size=5),
    ),
    st.sampled_from(["share", "rate"]),
    st.integers(280, 1200),
    st.text(),
)
def test_whatever_the_values_are_the_picture_is_well_formed(
    found: dict[Variant, list[tuple[float, float | None]]], unit: str, width: int, title: str
) -> None:
    lines = tuple(Line(one, tuple(sorted(points, key=lambda point: point[0]))) for one, points in found.items())
    Picture.of(draw_lines(Lines(lines, unit, (title,)), width=width, title=title))  # type: ignore[arg-type]
