"""Canary and baseline compared within each scrape: the sums from which the rule decides.

A stratum is one scrape with answers of both variants. What happens to both at the same moment cancels out of the
difference within it: an incident of a shared database, or a time of day with more errors and another split of the
traffic. Per scrape, with n answers of which g are good:

    w  = n_b n_c / (n_b + n_c)          d  = g_c / n_c − g_b / n_b
    W  = Σ w    D₁ = Σ w d    D₂ = Σ w d²    F = Σ n_c / (n_b + n_c)    T = number of scrapes

The difference of the shares is D₁/W. The dispersion φ is how much more these differences scatter than by chance, as
Pearson's χ² over its degrees of freedom, enlarged while few scrapes with errors tell it:

    φ  = (1 + 8/k) · (D₂ − D₁²/W) · T/(T − 1) / (V_b F + V_c (T − F)),   at least 1

V is s (1 − s) for a variant's share s, and k is the sum over both variants of the smallest of T − 1, the scrapes with
an error, and the scrapes with a good answer. While T is below 8 or k below 16, φ is at least what a correlation of 0.05
among the answers of a scrape would cause.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from canary.verdict import error_ratio
from canary.verdict.eprocess import NONE, Ratios, log_evidence, log_ratios
from canary.verdict.evidence import NOTHING, ROUNDING, Evidence, number
from canary.verdict.tolerance import Multiple, Tolerance, read_tolerance, tolerance_as_json

LEAST_SCRAPES = 8
LEAST_TOLD = 16
CAUTION = 8
PRESUMED_CORRELATION = 0.05  # of the answers within one scrape, until there are enough scrapes to measure it
MOST = 4
"""A scrape enters the prediction with at most so many times the errors (or good answers) predicted for it, and as many
more. Else a single incident would spoil the prediction for hundreds of scrapes. With as many errors it counts for a
relative tolerance."""


@dataclass(frozen=True)
class Strata:
    """What both variants have shown on one metric of one workload.

    Attributes:
        tolerance: how much worse the canary may be; None if it is not set, and then nothing is decided.
        baseline: all its answers.
        canary: all its answers.
        held_baseline: those of its answers that wait for the canary's, to be compared with them.
        held_canary: those of its answers that wait for the baseline's.
        scrapes: T in the formulas above.
        weight: W.
        canary_part: F.
        difference_sum: D₁.
        square_sum: D₂.
        error_sum: sum of w times the baseline's share of errors. Minus D₁, it is the same sum for the canary.
        erring: scrapes with an error, of baseline and canary.
        fine: scrapes with a good answer, of baseline and canary.
        pool: answers of both variants by which the next scrape is predicted.
        ratios: the evidence about the tolerance, before it is divided by the dispersion.
    """

    tolerance: Tolerance | None
    baseline: Evidence = NOTHING
    canary: Evidence = NOTHING
    held_baseline: Evidence = NOTHING
    held_canary: Evidence = NOTHING
    scrapes: int = 0
    weight: float = 0.0
    canary_part: float = 0.0
    difference_sum: float = 0.0
    square_sum: float = 0.0
    error_sum: float = 0.0
    erring: tuple[int, int] = (0, 0)
    fine: tuple[int, int] = (0, 0)
    pool: Evidence = NOTHING
    ratios: Ratios = NONE

    def add(self, baseline: Evidence, canary: Evidence) -> Strata:
        """Return the strata with the answers of one more scrape. They are held back until both variants have some."""
        held = replace(
            self,
            baseline=self.baseline.add(baseline.good, baseline.total),
            canary=self.canary.add(canary.good, canary.total),
            held_baseline=self.held_baseline.add(baseline.good, baseline.total),
            held_canary=self.held_canary.add(canary.good, canary.total),
        )
        return _compared(held) if held.held_baseline.total and held.held_canary.total else held

    @property
    def compared(self) -> tuple[Evidence, Evidence]:
        """Return the answers of baseline and canary that have been compared: all but those held back."""
        return (
            Evidence(self.baseline.good - self.held_baseline.good, self.baseline.total - self.held_baseline.total),
            Evidence(self.canary.good - self.held_canary.good, self.canary.total - self.held_canary.total),
        )

    @property
    def difference(self) -> float | None:
        """Return the canary's share minus the baseline's, compared within each scrape, in −1–1; None before that."""
        return self.difference_sum / self.weight if self.scrapes else None

    @property
    def error_ratio(self) -> float | None:
        """Return the canary's share of errors as a multiple of the baseline's, compared within each scrape.

        It is the ratio of Mantel and Haenszel (1959), and None while the baseline has no errors.
        """
        baseline, canary = self.compared
        if baseline.bad <= ROUNDING:
            return None
        return max(0.0, self.error_sum - self.difference_sum) / self.error_sum if canary.bad > ROUNDING else 0.0

    @property
    def told(self) -> int:
        """Return k: how many scrapes with errors tell the dispersion, in both variants together."""
        pairs = zip(self.erring, self.fine, strict=True)
        return sum(min(self.scrapes - 1, erring, fine) for erring, fine in pairs) if self.scrapes else 0

    @property
    def measured(self) -> bool:
        """Return whether enough scrapes tell the dispersion, so that nothing is presumed any more."""
        return self.scrapes >= LEAST_SCRAPES and self.told >= LEAST_TOLD

    @property
    def dispersion(self) -> float:
        """Return how much more the differences scatter than by chance; 1 is pure chance.

        Answers of the same moment resemble each other, so they carry less information than independent ones: one error
        counts as `1 / dispersion` errors.
        """
        if not self.scrapes:
            return 1.0
        found = self._measured_dispersion()
        if not self.measured:
            largest = max(one.total for one in self.compared) / self.scrapes
            found = max(found, 1 + PRESUMED_CORRELATION * (largest - 1))
        return max(1.0, found)

    def _measured_dispersion(self) -> float:
        if not self.told:
            return 0.0
        variances = [one.good / one.total * (one.bad / one.total) for one in self.compared]
        expected = variances[0] * self.canary_part + variances[1] * (self.scrapes - self.canary_part)
        scatter = max(0.0, self.square_sum - self.difference_sum**2 / self.weight) * self.scrapes / (self.scrapes - 1)
        return (1 + CAUTION / self.told) * scatter / expected

    def log_evidence(self) -> tuple[float, float]:
        """Return the natural logarithms of the evidence for PROMOTE and for REJECT.

        Each compares with the logarithm of 1 over its error level.
        """
        return log_evidence(self.ratios, self.dispersion)

    def as_json(self) -> dict[str, Any]:
        """Return the strata as `from_json` reads them."""
        return {name: _as_json(getattr(self, name)) for name in (field.name for field in fields(self))}

    @classmethod
    def from_json(cls, read: Mapping[str, Any]) -> Strata:
        """Return the strata from the JSON of `as_json`.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: the JSON is something else.
        """
        tolerance = read["tolerance"]
        ratios = tuple(map(float, read["ratios"]))
        if len(ratios) != len(NONE):
            raise ValueError(f"{len(ratios)} ratios instead of {len(NONE)}")
        return cls(
            None if tolerance is None else read_tolerance(tolerance),
            baseline=_evidence(read["baseline"]),
            canary=_evidence(read["canary"]),
            held_baseline=_evidence(read["held_baseline"]),
            held_canary=_evidence(read["held_canary"]),
            scrapes=int(read["scrapes"]),
            weight=float(read["weight"]),
            canary_part=float(read["canary_part"]),
            difference_sum=float(read["difference_sum"]),
            square_sum=float(read["square_sum"]),
            error_sum=float(read["error_sum"]),
            erring=_pair(read["erring"]),
            fine=_pair(read["fine"]),
            pool=_evidence(read["pool"]),
            ratios=ratios,
        )


def _compared(strata: Strata) -> Strata:
    """Return the strata with the held back answers as one more scrape."""
    b, c = strata.held_baseline, strata.held_canary
    part = c.total / (b.total + c.total)
    weight = b.total * part
    difference = c.good / c.total - b.good / b.total
    predicted = (strata.pool.good + 1) / (strata.pool.total + 2)
    answers = b.total + c.total
    fewest, most = answers - MOST * ((1 - predicted) * answers + 1), MOST * (predicted * answers + 1)
    ratios = strata.ratios
    if strata.tolerance is not None:
        if isinstance(strata.tolerance, Multiple):
            new = error_ratio.log_ratios(strata.tolerance.times, b, c, most=answers - fewest)
        else:
            new = log_ratios(strata.tolerance, predicted, b, c)
        ratios = tuple(one + other for one, other in zip(ratios, new, strict=True))
    return replace(
        strata,
        held_baseline=NOTHING,
        held_canary=NOTHING,
        scrapes=strata.scrapes + 1,
        weight=strata.weight + weight,
        canary_part=strata.canary_part + part,
        difference_sum=strata.difference_sum + weight * difference,
        square_sum=strata.square_sum + weight * difference**2,
        error_sum=strata.error_sum + weight * b.bad / b.total,
        erring=(strata.erring[0] + (b.bad > ROUNDING), strata.erring[1] + (c.bad > ROUNDING)),
        fine=(strata.fine[0] + (b.good > ROUNDING), strata.fine[1] + (c.good > ROUNDING)),
        pool=Evidence(strata.pool.good + min(max(b.good + c.good, fewest), most), strata.pool.total + answers),
        ratios=ratios,
    )


def _as_json(value: Any) -> Any:  # noqa: ANN401 - of any field
    if isinstance(value, Evidence):
        value = (value.good, value.total)
    if isinstance(value, tuple):
        return [number(one) for one in value]
    if isinstance(value, Multiple):
        return tolerance_as_json(value)
    return None if value is None else number(value)


def _evidence(pair: Any) -> Evidence:  # noqa: ANN401 - of JSON
    good, total = map(float, pair)
    return Evidence(good, total)


def _pair(pair: Any) -> tuple[int, int]:  # noqa: ANN401 - of JSON
    baseline, canary = map(int, pair)
    return baseline, canary
