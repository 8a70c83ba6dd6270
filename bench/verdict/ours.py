"""The rule of `canary.verdict`, for whole arrays of releases. `same_rule.py` checks that both find the same."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from bench.verdict.by_scrape import ByScrape
from bench.verdict.rules import LEAST_REQUESTS
from canary.verdict import eprocess, strata
from canary.verdict.rule import REJECT_SHARE

if TYPE_CHECKING:
    from bench.verdict.streams import Block, Cell

Alternatives = tuple[tuple[float, float], ...]
"""Differences in tolerances, with their weights."""


class Ours(ByScrape):
    """The e-process, with the dispersion of the differences within each scrape.

    Attributes:
        promote: alternatives for PROMOTE.
        reject: alternatives for REJECT.
        most: times the errors, or good answers, that were predicted for a scrape, with which it enters the prediction.
        reject_share: divisor of α for REJECT.
        least_looks: looks before PROMOTE.
    """

    name = "ours"
    source = "pipeline/canary/verdict/rule.py"
    promote: Alternatives = eprocess.PROMOTE
    reject: Alternatives = eprocess.REJECT
    most: float = strata.MOST
    reject_share = REJECT_SHARE
    least_looks = 1

    def __init__(self, cell: Cell, releases: int) -> None:
        """Start with a likelihood ratio of 1 for each alternative, and without anything to predict from."""
        super().__init__(cell, releases)
        self._log_ratios = np.zeros((len(self.promote) + len(self.reject), releases))
        self._good = np.zeros(releases)
        self._total = 0

    def judge(self, block: Block) -> np.ndarray:
        """Return the decisions from the evidence."""
        sums = self.sums(block)
        evidence = self.log_evidence(block, self.dispersion(block, sums))
        return self.decide(block, *evidence, sums.difference / sums.weight)

    def decide(self, block: Block, promote: np.ndarray, reject: np.ndarray, difference: np.ndarray) -> np.ndarray:
        """Return the decisions from the logarithms of the evidence for PROMOTE and REJECT at each look.

        Args:
            block: the looks.
            promote: evidence for PROMOTE.
            reject: evidence for REJECT.
            difference: the canary's share minus the baseline's, within scrapes; it must not contradict the decision.
        """
        margin = difference + self.cell.tolerance
        enough = (np.minimum(*block.requests) >= LEAST_REQUESTS) & (block.numbers >= self.least_looks)
        promotes = (promote >= math.log(1 / 0.05)) & (margin >= 0) & enough
        rejects = (reject >= math.log(self.reject_share / 0.05)) & (margin <= 0)
        return np.where(promotes, 1, np.where(rejects, -1, 0))

    def log_evidence(self, block: Block, scatter: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        """Return the logarithms of the evidence for PROMOTE and REJECT at each look of the next block.

        Args:
            block: the looks after those of the block before.
            scatter: the dispersion, by which the logarithms of the ratios are divided.
        """
        steps = self.log_ratios(block, self.predicted(block))
        ratios = self._log_ratios[:, block.rows, None] + np.cumsum(steps, 2)
        self._log_ratios[:, block.rows] = ratios[..., -1]
        many = len(self.promote)
        return _log_mean(self.promote, ratios[:many] / scatter), _log_mean(self.reject, ratios[many:] / scatter)

    def log_ratios(self, block: Block, predicted: np.ndarray) -> np.ndarray:
        """Return the logarithm of the likelihood ratio of each alternative for each release and look."""
        return log_ratios(self.cell.tolerance, block, predicted, (*self.promote, *self.reject))

    def predicted(self, block: Block) -> np.ndarray:
        """Return the share of good answers of both variants that earlier scrapes predict for each look."""
        totals, found = block.totals[0] + block.totals[1], np.empty(block.good[0].shape)
        good, total = self._good[block.rows], self._total
        for look, answers in enumerate(totals):
            found[:, look] = share = (good + 1) / (total + 2)
            seen = block.good[0][:, look] + block.good[1][:, look]
            fewest, most = answers - self.most * ((1 - share) * answers + 1), self.most * (share * answers + 1)
            good, total = good + np.clip(seen, fewest, most), total + int(answers)
        self._good[block.rows], self._total = good, total
        return found


def log_ratios(tolerance: float, block: Block, predicted: np.ndarray, alternatives: Alternatives) -> np.ndarray:
    """Return the logarithm of the likelihood ratio of each alternative for each release and look.

    Args:
        tolerance: share by which the canary may be worse.
        block: the looks.
        predicted: the share of good answers that earlier looks predict, for each release and look.
        alternatives: those above −1 speak for PROMOTE, those below for REJECT.
    """
    baseline, canary = block.totals
    part = canary / (baseline + canary)
    found = []
    for difference, _ in alternatives:
        ends = eprocess.LEAST_SHARE, 1 - eprocess.LEAST_SHARE
        q_b = np.clip(predicted - difference * tolerance * part, *ends)
        q_c = np.clip(predicted + difference * tolerance * (1 - part), *ends)
        x, y = nearest(q_b, q_c, baseline, canary, tolerance)
        ratio = sum(
            good * np.log(q / edge) + (total - good) * np.log((1 - q) / (1 - edge))
            for good, total, q, edge in ((block.good[0], baseline, q_b, x), (block.good[1], canary, q_c, y))
        )
        better = q_c - (q_b - tolerance)
        found.append(np.where((better if difference > -1 else -better) > 0, ratio, 0.0))
    return np.stack(found)


def nearest(
    q_b: np.ndarray, q_c: np.ndarray, baseline: np.ndarray, canary: np.ndarray, tolerance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the shares of baseline and canary on the line of the tolerance that are nearest to (q_b, q_c).

    The root of f lies between q_b and q_c + τ, where f falls. Newton's method stays in this bracket by bisection.
    f is multiplied by its denominators, which changes neither root nor sign.
    """
    shape = q_b.shape
    q_b, q_c, n_b, n_c = (np.broadcast_to(one, shape).ravel() for one in (q_b, q_c, baseline, canary))
    lower, upper = (np.clip(end(q_b, q_c + tolerance), tolerance, 1.0) for end in (np.minimum, np.maximum))
    x, found, places = (lower + upper) / 2, np.empty(q_b.size), np.arange(q_b.size)
    for _ in range(100):
        y = x - tolerance
        slope_b, slope_c, spread_b, spread_c = n_b * (q_b - x), n_c * (q_c - y), x * (1 - x), y * (1 - y)
        value = slope_b * spread_c + slope_c * spread_b
        derivative = slope_b * (1 - 2 * y) - n_b * spread_c + slope_c * (1 - 2 * x) - n_c * spread_b
        lower, upper = np.where(value >= 0, x, lower), np.where(value <= 0, x, upper)
        with np.errstate(divide="ignore", invalid="ignore"):
            newton = x - value / derivative
        following = np.where((newton >= lower) & (newton <= upper), newton, (lower + upper) / 2)
        moving = np.abs(following - x) > 4e-16 * x
        x = np.where(moving, following, x)  # as the rule does, to the last digit
        if moving.mean() < 0.5:
            found[places[~moving]] = x[~moving]
            places, x, lower, upper = places[moving], x[moving], lower[moving], upper[moving]
            q_b, q_c, n_b, n_c = q_b[moving], q_c[moving], n_b[moving], n_c[moving]
            if not len(places):
                break
    found[places] = x
    x = np.clip(found.reshape(shape), tolerance + eprocess.EDGE, 1 - eprocess.EDGE)
    return x, x - tolerance


def _log_mean(alternatives: Alternatives, ratios: np.ndarray) -> np.ndarray:
    weighted = ratios + np.log([weight for _, weight in alternatives])[:, None, None]
    largest = weighted.max(0)
    mean: np.ndarray = largest + np.log(np.exp(weighted - largest).sum(0))
    return mean
