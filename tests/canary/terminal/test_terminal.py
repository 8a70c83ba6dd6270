"""What a person sees of a release on the terminal or in a log."""

from __future__ import annotations

import io
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from canary.events import (
    Decided,
    DecisionAsked,
    Event,
    Grows,
    Judged,
    Looked,
    Note,
    Promoted,
    Ready,
    Rejected,
    Started,
    Undone,
    VariantState,
    Waiting,
    Written,
)
from canary.marks import Variant
from canary.terminal import Output, Terminal
from canary.terminal.bar import bar
from canary.variants.steps import Step
from canary.verdict.comparison import Comparison, Decision
from canary.verdict.evidence import Evidence
from canary.verdict.forecast import Forecast
from canary.verdict.rule import combine, compare
from canary.verdict.tolerance import Multiple, Tolerance

NOON = 1_800_000_000.0


def comparison(baseline: tuple[int, int], canary: tuple[int, int], tolerance: Tolerance | None = 0.05) -> Comparison:
    return compare(Evidence(*baseline), Evidence(*canary), tolerance=tolerance, workload="sampleapp")


def looked(
    baseline: tuple[int, int] = (98, 1000),
    canary: tuple[int, int] = (201, 1000),
    waiting_for: str = "",
    at: float = NOON,
    tolerance: Tolerance = 0.05,
) -> Looked:
    variants = (
        VariantState(Variant.STABLE, "sampleapp", 4, 4, 390, 4000, 20.04, 0.0031, 0.012),
        VariantState(Variant.BASELINE, "sampleapp", 1, 1, *baseline, 5.0, 0.0031, 0.012, ("sampleapp-baseline-x",)),
        VariantState(Variant.CANARY, "sampleapp", 0, 1, *canary, None, None, 1.25),
    )
    return Looked(at, 75, variants, combine([comparison(baseline, canary, tolerance)]), waiting_for)


def lines(*events: Event, width: int = 80) -> list[str]:
    """Return what a pipeline's log shows, without timestamps."""
    out = io.StringIO()
    terminal = Terminal(Console(file=out, width=width), now=lambda: NOON)
    for event in events:
        terminal(event)
    terminal.close()
    stamped = out.getvalue().splitlines()
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in stamped)
    return [line[9:] for line in stamped]


def screen(*events: Event, width: int = 80) -> str:
    """Return everything drawn on a terminal, in order, without colours and cursor movements."""
    out = io.StringIO()
    terminal = Terminal(Console(file=out, width=width, force_terminal=True, color_system=None), live=True)
    for event in events:
        terminal(event)
    terminal.close()
    text = out.getvalue()
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h")  # whoever hides the cursor shows it again
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text).replace("\r", "")


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Started("release", ("web", "api"), "shop", ("web:2",)), "release web, api in namespace shop: web:2"),
        (Started("reject", ("web",), "shop"), "reject web in namespace shop"),
        (
            Written("Deployment", "web-canary", "created", "2 replicas of web:2"),
            "created Deployment web-canary: 2 replicas of web:2",
        ),
        (Note("the canary gets 17 % of requests"), "the canary gets 17 % of requests"),
        (Note("an HPA counts the variants' pods", warning=True), "warning: an HPA counts the variants' pods"),
        (Waiting("web-canary", 0, 2), "web-canary: 0 of 2 pods ready"),
        (Waiting("web-canary", 0, 1, "image pull: not found"), "web-canary: 0 of 1 pods ready: image pull: not found"),
        (Ready("web-canary", 2, 3.21), "web-canary: 2 pods ready after 3.2 s"),
        (Grows(Step(25, (10, 25, 50))), "step 2 of 3 (25 %): canary and baseline grow"),
        (Decided(promote=True, by="auto"), "decided to promote, by auto"),
        (Decided(promote=False, by="ann"), "decided to reject, by ann"),
        (Promoted("web", ("web:2",)), "promoted web: it now runs web:2"),
        (
            Rejected("web", "worse", ("web-canary", "web-baseline")),
            "rejected web: worse; deleted web-canary, web-baseline",
        ),
        (Undone("web", "a pod never got ready"), "undone: web is as it was before, because a pod never got ready"),
        (Judged(combine([])), "nothing to compare"),
    ],
)
def test_a_pipeline_gets_one_line_for_an_event(event: Event, line: str) -> None:
    assert lines(event) == [line]


def test_the_question_of_a_gate_is_not_shown_twice() -> None:
    assert lines(DecisionAsked(None)) == []


def test_a_pipeline_gets_a_line_when_the_verdict_changes_and_every_ten_seconds() -> None:
    undecided, promote = ((5, 10), (5, 10)), ((98, 1000), (201, 1000))
    sequence = [looked(*undecided, at=NOON + 2 * n) for n in range(8)]
    sequence += [looked(*promote, waiting_for=f"{n} of 300 s", at=NOON + 16 + 2 * n) for n in range(4)]
    found = lines(*sequence)
    assert [line.split(":")[0] for line in found] == ["UNDECIDED", "UNDECIDED", "PROMOTE"]
    assert found[2] == f"PROMOTE: {sequence[8].verdict.sentence}; waiting: 0 of 300 s"


def test_reject_waits_for_nothing() -> None:
    reject = looked((900, 1000), (100, 1000), waiting_for="12 of 300 s")
    assert lines(reject) == [f"REJECT: {reject.verdict.sentence}"]
    assert drawn(reject)[-1] == "  REJECT after 1:15"


def test_a_pipeline_gets_the_reason_why_a_pod_is_not_ready_once() -> None:
    waiting = [Waiting("a", 0, 1), Waiting("a", 0, 1), Waiting("b", 0, 1), Waiting("a", 0, 1), Waiting("a", 0, 1, "x")]
    assert lines(*waiting) == ["a: 0 of 1 pods ready", "b: 0 of 1 pods ready", "a: 0 of 1 pods ready: x"]


def test_a_line_of_a_pipeline_is_never_wrapped() -> None:
    assert lines(Note("word " * 60)) == [("word " * 60).strip()]


def test_a_containers_last_words_cannot_steer_the_terminal() -> None:
    evil = "boom\x1b[2J\x1b]0;title\x07\r\nsecond [red]line"
    assert lines(Waiting("a", 0, 1, evil)) == ["a: 0 of 1 pods ready: boom [2J ]0;title   second [red]line"]
    assert "second [red]line" in screen(Note(evil))


def drawn(*events: Event, width: int = 80) -> list[str]:
    """Return the lines of the last table drawn."""
    text = screen(*events, width=width)
    return [line.rstrip() for line in text[text.rindex("  sampleapp") :].splitlines() if line.strip()]


def test_the_table_shows_the_ratio_of_errors_against_a_relative_tolerance() -> None:
    table = drawn(looked((9_900, 10_000), (9_880, 10_000), tolerance=Multiple(2.0)))
    assert table[-3] == "  canary's errors ÷ baseline's 1.2 times (0.4 to 1.7, tolerance 2x)"


def test_without_errors_the_table_says_what_is_missing_for_a_relative_tolerance() -> None:
    table = drawn(looked((1_000, 1_000), (1_000, 1_000), tolerance=Multiple(2.0)), width=160)
    assert table[-2].startswith("  no errors of canary or baseline, so a tolerance of 2x cannot decide; an absolute")


def test_the_table_shows_each_variant_and_the_difference_against_the_tolerance() -> None:
    assert drawn(looked(waiting_for="12 of 300 s")) == [
        "  sampleapp  pods   requests    good  95 % interval  req/s     p50    p99",
        "  stable      4/4      4,000   9.8 %       8.3–11.2   20.0  3.1 ms  12 ms",
        "  baseline    1/1  1,000 + ?   9.8 %       7.1–12.9    5.0  3.1 ms  12 ms",
        "  canary      0/1      1,000  20.1 %      16.3–24.1      –       –  1.2 s",
        "  canary − baseline +10.3 points (+5.8 to +15.9, tolerance 5.0)",
        "  −20 ░░░░░░░░░░░░░░░░░░░░░░░░░┃       │         ├──────●────────┤        +20",
        "  PROMOTE after 1:15, waiting: 12 of 300 s",
    ]


def test_the_decision_to_expect_is_shown_in_the_table_and_in_a_line() -> None:
    undecided = replace(looked((90, 100), (90, 100)), forecast=Forecast(Decision.PROMOTE, 170))
    expected = "expected: PROMOTE in about 3 min if the difference stays"
    assert drawn(undecided)[-1] == f"  UNDECIDED after 1:15, {expected}"
    assert lines(undecided) == [f"UNDECIDED: {undecided.verdict.sentence}; {expected}"]


def test_a_first_release_has_nothing_to_compare_and_says_so() -> None:
    verdict = replace(combine([]), sentence="a first release has no baseline")
    state = VariantState(Variant.CANARY, "sampleapp", 1, 1, 5, 10)
    assert drawn(Looked(NOON, 3, (state,), verdict)) == [
        "  sampleapp  pods  requests    good  95 % interval  req/s  p50  p99",
        "  canary      1/1        10  50.0 %      0.0–100.0      –    –    –",
        "  UNDECIDED after 0:03: a first release has no baseline",
    ]


def test_several_metrics_are_named() -> None:
    slow = compare(Evidence(90, 100), Evidence(20, 100), tolerance=0.05, metric="latency", workload="sampleapp")
    event = looked()
    found = drawn(replace(event, verdict=combine([*event.verdict.comparisons, slow])))
    assert [line.split(" canary")[0] for line in found if "canary − baseline" in line] == ["  success:", "  latency:"]
    assert found[-1] == "  REJECT after 1:15"


@pytest.mark.parametrize("width", [30, 40, 50, 60, 70, 80, 120])
def test_every_width_is_readable(width: int) -> None:
    found = drawn(looked(waiting_for="12 of 300 s"), width=width)
    assert all(len(line) <= width for line in found)
    assert found[0].split()[0] == "sampleapp"
    assert {"requests", "good"} <= set(found[0].split())
    assert all(figure in found[3] for figure in ("canary", "1,000", "20.1 %"))


def test_the_step_of_a_release_that_has_several_is_shown() -> None:
    at = replace(looked(waiting_for="12 of 300 s"), step=Step(25, (10, 25, 50)))
    assert ", step 2 of 3 (25 %), waiting: 12 of 300 s" in drawn(at)[-1]


def test_each_look_is_drawn_over_the_previous_one_and_the_last_one_stays() -> None:
    text = screen(looked(), looked(waiting_for="12 of 300 s"), Judged(looked().verdict))
    assert "waiting: 12 of 300 s" in text
    assert "verdict PROMOTE: canary 20.1 % good vs baseline 9.8 %" in text


def test_waiting_lines_are_drawn_over_and_removed_when_pods_are_ready() -> None:
    out = io.StringIO()
    terminal = Terminal(Console(file=out, width=80, force_terminal=True, color_system=None), live=True)
    for event in (Waiting("a", 0, 1), Waiting("b", 0, 1), Ready("a", 1, 2), Waiting("b", 0, 1), Ready("b", 1, 3)):
        terminal(event)
    terminal.close()
    erased = "\x1b[2K"
    assert out.getvalue().count(erased) >= 4
    assert out.getvalue().rstrip().endswith("b: 1 pod ready after 3.0 s")


def test_what_others_wait_for_stays_on_the_screen_when_one_is_ready() -> None:
    out = io.StringIO()
    terminal = Terminal(Console(file=out, width=80, force_terminal=True, color_system=None), live=True)
    for event in (Waiting("a", 0, 1, "ErrImagePull"), Waiting("b", 0, 1), Ready("b", 1, 2)):
        terminal(event)
    _, after = out.getvalue().split("b: 1 pod ready after 2.0 s")
    assert "a: 0 of 1 pods ready: ErrImagePull" in after


def test_no_color_turns_colours_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    out = io.StringIO()
    terminal = Terminal(Console(file=out, width=80, force_terminal=True), live=True)
    terminal(looked())
    terminal.close()
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", out.getvalue())


# The bar


def test_the_bar_draws_interval_tolerance_and_zero_on_one_scale() -> None:
    drawing = bar(comparison((98, 1000), (201, 1000)), 49).plain
    assert drawing == "−20 ░░░░░░░░░░░░░░░┃    │     ├───●─────┤     +20"


def test_the_bar_of_a_relative_tolerance_has_a_logarithmic_scale_of_ratios() -> None:
    drawing = bar(comparison((9_900, 10_000), (9_880, 10_000), Multiple(2.0)), 49).plain
    assert drawing == "×4 ░░░░░░░░░░┃  ├────●──────────────┤          ÷4"


def test_the_bar_of_a_worse_canary_lies_in_the_shade() -> None:
    drawing = bar(comparison((900, 1000), (500, 1000)), 49).plain
    assert drawing.index("┤") < drawing.index("┃") < drawing.index("│")


def test_an_interval_that_leaves_the_scale_has_no_end() -> None:
    drawing = bar(comparison((1, 2), (1, 2)), 49).plain
    assert drawing.count("─") > 30


@pytest.mark.parametrize("tolerance", [None, 0.0, 0.0001, 0.001, 0.05, 1.0, Multiple(1.1), Multiple(900.0)])
@pytest.mark.parametrize(
    ("baseline", "canary"), [((0, 0), (0, 0)), ((10**6, 10**6), (0, 10**6)), ((999, 1000), (999, 1000))]
)
def test_the_bar_is_as_wide_as_asked(
    tolerance: Tolerance | None, baseline: tuple[int, int], canary: tuple[int, int]
) -> None:
    for width in (24, 49, 76):
        assert width - 1 <= len(bar(comparison(baseline, canary, tolerance), width)) <= width + 1


def test_a_release_continues_if_its_output_is_no_longer_read() -> None:
    for live in (False, True):
        reader, writer = os.pipe()
        with os.fdopen(writer, "w") as file:
            terminal = Terminal(Output(file=file, force_terminal=live), live=live)
            os.close(reader)
            for event in (Note("one"), looked(), Note("two")):
                terminal(event)
            terminal.close()
            file.write("an error's message")  # goes nowhere, and fails no more
            file.flush()
            assert os.fstat(file.fileno()).st_rdev == Path(os.devnull).stat().st_rdev
