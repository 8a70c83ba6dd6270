"""The funnel says what its numbers say: places of lines and marks follow from the axes, whatever the numbers are."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.chart.frame import elapsed
from canary.chart.funnel import Funnel, Point, draw_funnel
from canary.verdict.comparison import Decision
from canary.verdict.forecast import Forecast
from canary.verdict.tolerance import Multiple, Tolerance
from tests.canary.chart.picture import Picture

START = 1.7e9


def closing_in(middle: float = -0.01, first: float = 0.4, looks: int = 60, step: float = 10) -> tuple[Point, ...]:
    """Return points whose interval has a width of `first` in both directions, and then half of it, a third."""
    reach = [first / (n + 1) for n in range(looks)]
    return tuple(Point(START + step * n, middle, middle - one, middle + one) for n, one in enumerate(reach))


def ratios(middle: float = 1.1, looks: int = 40) -> tuple[Point, ...]:
    factors = [1 + 8 / (n + 1) for n in range(looks)]
    return tuple(Point(START + 10 * n, middle, middle / one, middle * one) for n, one in enumerate(factors))


def picture_of(funnel: Funnel, width: float = 720, height: float = 320) -> Picture:
    return Picture.of(draw_funnel(funnel, width=width, height=height, title="success of web"))


def bar_of(picture: Picture) -> list[tuple[float, float]]:
    """Return the last interval: the upright line with two ends."""
    return next(one for one in picture.paths("bar") if one[0][0] == one[1][0])


@pytest.mark.parametrize("tolerance", [0.05, 0.01, 0.000001, 0.5])
def test_the_line_of_the_tolerance_lies_where_the_axis_says(tolerance: float) -> None:
    points = closing_in(middle=-tolerance / 5, first=20 * tolerance)
    picture = picture_of(Funnel(points, tolerance))
    [line] = picture.paths("tolerance")
    assert [picture.value(y) for _, y in line] == pytest.approx(2 * [-100 * tolerance], rel=0.05)
    [equal] = picture.paths("axis", "equal")
    assert picture.value(equal[0][1]) == pytest.approx(0, abs=5 * tolerance)


@pytest.mark.parametrize("times", [1.5, 2, 10])
def test_a_relative_tolerance_is_a_multiple_of_errors_and_promote_is_below_it(times: float) -> None:
    picture = picture_of(Funnel(ratios(), Multiple(times), "ratio"))
    [line] = picture.paths("tolerance")
    assert picture.log_value(line[0][1]) == pytest.approx(times, rel=0.05)
    [side] = picture.all("promote-side")
    assert float(side.get("y", "")) == pytest.approx(line[0][1], abs=0.2)
    places = {one.text: float(one.get("y", "")) for one in picture.all("strong") if "▲" in str(one.text) + "▲"}
    assert places["▲ REJECT"] < places["▼ PROMOTE"]
    assert f"{times:g}x" in picture.texts


def test_the_promote_side_is_above_the_tolerance_and_both_sides_are_named() -> None:
    picture = picture_of(Funnel(closing_in(), 0.05))
    [line], [side] = picture.paths("tolerance"), picture.all("promote-side")
    assert float(side.get("y", "")) + float(side.get("height", "")) == pytest.approx(line[0][1], abs=0.2)
    assert {"▲ PROMOTE", "▼ REJECT", "tolerance", "5 points"} <= set(picture.texts)


def test_the_last_interval_is_drawn_to_scale_and_said() -> None:
    funnel = Funnel(closing_in(middle=-0.012, first=0.4, looks=20), 0.05)
    picture = picture_of(funnel)
    assert sorted(picture.value(y) for _, y in bar_of(picture)) == pytest.approx([-3.2, 0.8], abs=0.1)
    assert "latest: 1.2 points worse (−3.2 to +0.8)" in picture.texts


def test_the_ends_of_a_tiny_interval_are_told_apart() -> None:
    picture = picture_of(Funnel((Point(START, 4e-6, -38e-6, 44e-6),), 0.001))
    assert "latest: 0.0004 points better (−0.0038 to +0.0044)" in picture.texts


@pytest.mark.parametrize("first", [0.02, 0.4, 1.0, 60.0])
@pytest.mark.parametrize(("width", "height"), [(720, 320), (348, 300)])
def test_the_last_interval_can_be_read_however_wide_the_first_one_was(first: float, width: int, height: int) -> None:
    points = (*closing_in(first=first, looks=30), Point(START + 300, -0.02, -0.06, 0.02))
    picture = picture_of(Funnel(points, 0.05), width=width, height=height)
    low, high = sorted(y for _, y in bar_of(picture))
    [(_, top), *_, (_, bottom)] = sorted(picture.paths("interval")[0], key=lambda place: place[1])
    assert high - low >= (bottom - top) / 3


def test_what_lies_beyond_the_axis_is_marked_and_explained() -> None:
    picture = picture_of(Funnel(closing_in(first=1.0), 0.05))
    assert len(picture.paths("beyond")) == 2
    assert "beyond this axis" in picture.texts
    all_of_it = picture_of(Funnel(closing_in(first=0.02, looks=5), 0.05))
    assert all_of_it.paths("beyond") == []
    assert "beyond this axis" not in all_of_it.texts


@pytest.mark.parametrize(("decision", "shape"), [(Decision.PROMOTE, "circle"), (Decision.REJECT, "rect")])
def test_a_decision_has_a_time_a_shape_and_a_label(decision: Decision, shape: str) -> None:
    picture = picture_of(
        Funnel(closing_in(), 0.05, decided=(START + 270, decision), acted=(START + 300, "done by ada"))
    )
    moments = picture.paths("moment")
    assert [picture.time(line[0][0]) for line in moments] == pytest.approx([4.5, 5], abs=0.02)
    assert {f"{decision} after 4 min 30 s", "done by ada"} <= set(picture.texts)
    [mark] = [one for one in picture.all("mark", str(decision).lower()) if one.tag.endswith(shape)]
    x = float(mark.get("cx", 0)) or float(mark.get("x", 0)) + float(mark.get("width", 0)) / 2
    y = float(mark.get("cy", 0)) or float(mark.get("y", 0)) + float(mark.get("height", 0)) / 2
    assert (picture.time(x), picture.value(y)) == pytest.approx((4.5, -1), abs=0.1)


def test_the_forecast_goes_on_dashed_to_the_tolerance_and_says_how_much_longer() -> None:
    funnel = Funnel(closing_in(first=1.2, looks=20), 0.05, expected=Forecast(Decision.PROMOTE, 180.0))
    picture = picture_of(funnel)
    low, high = picture.paths("bound", "expected")
    now = bar_of(picture)
    assert sorted(place[0] for place in (low, high)) == sorted(now)
    assert picture.time(low[-1][0]) == pytest.approx(370 / 60, abs=0.05)
    assert picture.value(low[-1][1]) == pytest.approx(-5, abs=0.1)
    assert "PROMOTE expected: about 3 minutes more at this traffic" in picture.texts
    [diamond] = picture.paths("hollow", "promote")
    assert picture.value(diamond[1][1]) == pytest.approx(-5, abs=0.1)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (3.0, "about 10 seconds more at this traffic"),
        (50.0, "about 50 seconds more at this traffic"),
        (65.0, "about 1 minute more at this traffic"),
        (3000.0, "about 50 minutes more at this traffic"),
        (3601.0, "more than an hour at this traffic"),
        (None, "more than an hour at this traffic"),
    ],
)
def test_a_forecast_is_said_in_round_numbers(seconds: float | None, said: str) -> None:
    expected = Forecast(Decision.REJECT, seconds)
    picture = picture_of(Funnel(closing_in(middle=-0.08, first=1.2, looks=20), 0.05, expected=expected))
    assert f"REJECT expected: {said}" in picture.texts
    assert said in picture.description


def test_a_decision_ends_the_forecast() -> None:
    expected = Forecast(Decision.PROMOTE, 60.0)
    picture = picture_of(Funnel(closing_in(), 0.05, decided=(START + 270, Decision.PROMOTE), expected=expected))
    assert picture.paths("expected") == []
    assert not [text for text in picture.texts if "expected" in text]


@pytest.mark.parametrize(
    ("seconds", "unit"), [(10, "seconds"), (110, "seconds"), (600, "minutes"), (36_000, "hours"), (9e5, "days")]
)
def test_the_time_axis_has_the_unit_that_suits_the_release(seconds: float, unit: str) -> None:
    points = closing_in(looks=11, step=seconds / 10)
    picture = picture_of(Funnel(points, 0.05))
    assert f"{unit} since the release began" in picture.texts
    last = picture.time(bar_of(picture)[0][0]) * {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}[unit]
    assert last == pytest.approx(seconds, rel=0.01)


def test_the_time_axis_begins_when_the_release_began() -> None:
    picture = picture_of(Funnel(closing_in(looks=2), 0.05, began=START - 50))
    [line, _] = picture.paths("interval")[0][:2]
    assert picture.time(line[0]) == pytest.approx(50, abs=0.5)


def test_no_tolerance_shades_no_side_and_says_that_nothing_is_decided() -> None:
    picture = picture_of(Funnel(closing_in(), None))
    assert picture.all("promote-side") == []
    assert picture.paths("tolerance") == []
    assert "equal" in picture.texts
    assert "No tolerance is set, so nothing is decided." in picture.description


@pytest.mark.parametrize(("tolerance", "kind"), [(0.05, "difference"), (Multiple(1.5), "ratio"), (None, "difference")])
def test_without_data_the_picture_has_its_axes_and_says_so(tolerance: float | None, kind: str) -> None:
    picture = picture_of(Funnel((), tolerance, kind))  # type: ignore[arg-type]
    assert "no answers of both variants yet" in picture.texts
    assert bool(picture.paths("tolerance")) is (tolerance is not None)
    assert picture.paths("interval") == picture.paths("line") == []


def test_one_look_is_an_interval_without_a_band() -> None:
    picture = picture_of(Funnel((Point(START, -0.05, -1, 1),), 0.05))
    assert picture.paths("interval") == []
    assert sorted(picture.value(y) for _, y in bar_of(picture)) == pytest.approx([-100, 100], abs=1)


def test_a_baseline_without_errors_leaves_the_ratio_open() -> None:
    points = tuple(Point(START + n, None, 0.5, math.inf) for n in range(20))
    picture = picture_of(Funnel(points, Multiple(2), "ratio"))
    assert picture.paths("line") == []
    assert "the baseline has no errors yet" in picture.texts
    assert "The baseline has no errors yet, so there is no ratio of errors." in picture.description


def test_a_canary_with_endlessly_many_times_the_errors_is_said_in_few_characters() -> None:
    picture = picture_of(Funnel((Point(START, 123_456.0, 20_000.0, 1e6),), Multiple(2), "ratio"))
    assert picture.description.startswith(
        "The canary has more than 10,000x the baseline's errors (interval: more than 10,000x to more than 10,000x)."
    )


@pytest.mark.parametrize(("share", "said"), [(0.01, "1 point"), (0.005, "0.5 points"), (0.0, "0 points")])
def test_a_tolerance_is_said_in_points(share: float, said: str) -> None:
    picture = picture_of(Funnel(closing_in(), share))
    assert said in picture.texts
    assert f"The tolerance is {said}:" in picture.description


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s"), (270, "4 min 30 s"), (3661, "1 h 1 min"), (7195, "2 h"), (90_000, "1 d 1 h")]
)
def test_times_since_the_beginning_have_two_units_at_most(seconds: float, said: str) -> None:
    assert elapsed(seconds) == said


def test_a_funnel_says_in_sentences_what_it_shows() -> None:
    funnel = Funnel(closing_in(), 0.05, decided=(START + 270, Decision.PROMOTE), acted=(START + 300, "promoted by ada"))
    picture = picture_of(funnel)
    assert picture.root.get("role") == "img"
    assert picture.root[0].text == "success of web"
    assert picture.description == (
        "The canary is 1.0 points worse than the baseline (interval: −1.7 to −0.3 points). The tolerance is 5 points: "
        "PROMOTE needs the whole interval on the better side of it, REJECT on the worse side. PROMOTE after 4 min 30 "
        "s. promoted by ada after 5 min."
    )


def test_long_texts_are_shortened_and_kept_whole_for_a_pointer() -> None:
    who = "promoted by <ada> & " + 30 * "a very long name "
    picture = picture_of(Funnel(closing_in(), 0.05, acted=(START + 300, who)), width=348)
    [shown] = [text for text in picture.texts if text.startswith("promoted by <ada>")]
    assert shown.endswith("…")
    assert len(shown) < 60
    assert who in [one.text for one in picture.root.iter() if one.tag.endswith("title")]


def test_a_picture_in_a_page_has_nothing_that_a_strict_policy_forbids() -> None:
    funnel = Funnel(closing_in(), 0.05, decided=(START + 270, Decision.PROMOTE))
    inline = draw_funnel(funnel, title="success")
    assert not re.search(r"\bstyle\b|<script|\bid=|\bon\w+=|href", inline)
    standalone = draw_funnel(funnel, title="success", standalone=True)
    assert "prefers-color-scheme: dark" in standalone
    assert Picture.of(standalone).all("paper")


anything = st.floats(allow_nan=True, allow_infinity=True)
shares = st.one_of(st.floats(-1, 1), anything)
times = st.floats(0, 1e7).map(lambda seconds: START + seconds)
decisions = st.sampled_from(Decision)


@st.composite
def funnels(draw: st.DrawFn) -> Funnel:
    kind = draw(st.sampled_from(["difference", "ratio"]))
    values = shares if kind == "difference" else st.one_of(st.floats(0, 100), anything)
    points = [
        Point(draw(times), draw(st.none() | values), draw(values), draw(values)) for _ in range(draw(st.integers(0, 6)))
    ]
    absolute: st.SearchStrategy[Tolerance] = st.floats(0, 1)
    tolerance = absolute if kind == "difference" else st.floats(1.000001, 999_999).map(Multiple)
    return Funnel(
        tuple(sorted(points, key=lambda one: one.at)),
        draw(st.none() | tolerance),
        kind,  # type: ignore[arg-type]
        decided=draw(st.none() | st.tuples(times, decisions)),
        expected=draw(st.none() | st.builds(Forecast, decisions, st.none() | st.floats(0, 1e9))),
        acted=draw(st.none() | st.tuples(times, st.text())),
        began=draw(st.none() | times),
    )


@settings(max_examples=50, deadline=None)
@given(funnels(), st.integers(280, 1200), st.integers(200, 800), st.text(), st.booleans())
def test_whatever_the_numbers_and_texts_are_the_picture_is_well_formed_and_every_place_lies_inside(
    funnel: Funnel, width: int, height: int, title: str, standalone: bool
) -> None:
    svg = draw_funnel(funnel, width=width, height=height, title=title, standalone=standalone)
    picture = Picture.of(svg)
    body = svg.rpartition("</style>")[2]
    assert not re.search(r'"[^"]*\b(nan|inf)\b[^"]*"', body)
    for path in picture.paths():
        assert all(-10 <= x <= width + 10 and -10 <= y <= height + 10 for x, y in path)
