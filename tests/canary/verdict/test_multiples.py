"""What is said of a relative tolerance."""

from __future__ import annotations

import pytest

from canary.verdict.comparison import Decision
from canary.verdict.evidence import Evidence
from canary.verdict.rule import combine, compare
from canary.verdict.tolerance import Multiple
from canary.verdict.tolerated import tolerated
from canary.verdict.wording import brief

WAY_OUT = "an absolute tolerance, such as 0.001, can decide without errors"


@pytest.mark.parametrize(
    ("baseline", "canary", "times", "decision", "sentence"),
    [
        (
            (29_940, 30_000),
            (29_935, 30_000),
            2.0,
            Decision.PROMOTE,
            (
                "canary 0.22 % failed vs baseline 0.20 %: 1.1 times the errors (at most 1.7 times; tolerance 2x), "
                "30,000 requests each"
            ),
        ),
        (
            (29_940, 30_000),
            (29_910, 30_000),
            1.5,
            Decision.UNDECIDED,
            (
                "canary 0.30 % failed vs baseline 0.20 %: 1.50 times the errors (between 0.78 and 2.52 times; "
                "tolerance 1.5x), 30,000 requests each"
            ),
        ),
        (
            (9_900, 10_000),
            (3_600, 4_000),
            2.0,
            Decision.REJECT,
            (
                "canary 10.0 % failed vs baseline 1.0 %: 10.0 times the errors (at least 7.2 times; tolerance 2x), "
                "4,000 and 10,000 requests"
            ),
        ),
        (
            (900, 1_000),
            (900, 1_000),
            3.0,
            Decision.PROMOTE,
            "canary 10.0 % failed vs baseline 10.0 %: equal (at most 1.4 times; tolerance 3x), 1,000 requests each",
        ),
        (
            (3_000, 3_000),
            (3_000, 3_000),
            2.0,
            Decision.UNDECIDED,
            f"no errors of canary or baseline, so a tolerance of 2x cannot decide; {WAY_OUT} (3,000 requests each)",
        ),
        (
            (3_000, 3_000),
            (2_990, 3_000),
            2.0,
            Decision.UNDECIDED,
            (
                "canary 0.33 % failed vs baseline 0.00 %: the baseline has no errors (at least 0.4 times; "
                f"tolerance 2x), 3,000 requests each; {WAY_OUT}"
            ),
        ),
        (
            (3_000, 3_000),
            (2_950, 3_000),
            2.0,
            Decision.REJECT,
            (
                "canary 1.7 % failed vs baseline 0.0 %: the baseline has no errors (at least 12.2 times; "
                "tolerance 2x), 3,000 requests each"
            ),
        ),
    ],
)
def test_the_sentence_speaks_of_multiples_of_the_baselines_errors(
    baseline: tuple[int, int], canary: tuple[int, int], times: float, decision: Decision, sentence: str
) -> None:
    comparison = compare(Evidence(*baseline), Evidence(*canary), tolerance=Multiple(times))
    assert (comparison.sentence, comparison.decision) == (sentence, decision)


def test_the_sentence_of_a_latency_objective_names_its_limit() -> None:
    comparison = compare(Evidence(90, 100), Evidence(80, 100), tolerance=Multiple(2.0), quality="within 250 ms")
    assert comparison.sentence.startswith(
        "canary 20.0 % not within 250 ms vs baseline 10.0 %: 2.0 times the requests not within 250 ms (between "
    )


def test_a_verdict_in_a_few_words_has_the_multiple() -> None:
    comparison = compare(Evidence(990, 1000), Evidence(900, 1000), tolerance=Multiple(1.5))
    assert brief(combine([comparison])) == "REJECT, 10.00 times the errors"


@pytest.mark.parametrize(
    ("times", "share", "sentence"),
    [
        (2.0, 0.998, "2x a canary that fails 0.40 % of its requests is still promoted; the baseline fails 0.20 %"),
        (1.5, None, "1.5x a canary with 1.5 times the baseline's errors is still promoted"),
        (2.0, 0.4, "2x every canary is promoted, because the baseline fails 60.0 % itself"),
        (2.0, 1.0, f"2x nothing is promoted while the baseline has no errors: so far it has none; {WAY_OUT}"),
    ],
)
def test_a_relative_tolerance_is_explained_as_a_share_of_errors(
    times: float, share: float | None, sentence: str
) -> None:
    assert tolerated(Multiple(times), share) == f"with a tolerance of {sentence}"
