"""How soon the sample-ratio check notices a canary that does not answer, and how often it is wrong.

One pod of each variant, with scrapes two seconds apart. The check is that of the driver, for many releases at once; a
test compares the two.
"""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING

import numpy as np

from canary.verdict.sample_ratio import ALTERNATIVES, LATER, LEEWAY, LIMIT

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERVAL = 2.0  # seconds between scrapes
SCRAPES = 900  # half an hour
REQUESTS = 100  # to both variants together, on average per scrape; the driver holds back scrapes with fewer than ten
RELEASES = 200
FAILING = (0.0, 0.05, 0.1, 0.2)  # shares of its requests that a failing canary answers
GOOD_BEFORE = (0, 75, 150)  # scrapes at which it still answers everything
CONNECTIONS = (4, 8, 16, 32, 64)
LEAST = 1e-7  # probability of a division of the connections from which it is simulated


def alarms(baseline: np.ndarray, canary: np.ndarray) -> np.ndarray:
    """Return the number of the scrape from which PROMOTE is withheld, in each release; 0 if it never is.

    Args:
        baseline: its answers, one row per release and one column per scrape.
        canary: its answers. With the baseline's they are at least ten, because the driver holds back fewer.
    """
    share = canary / (baseline + canary)
    expected = 1 / (LEEWAY + 1)
    multiples, weights = (np.array(one) for one in zip(*ALTERNATIVES, strict=True))
    full, none = np.log(multiples), np.log((1 - multiples * expected) / (1 - expected))
    found = np.zeros(len(share), dtype=int)
    logs = np.broadcast_to(np.log((1 - LATER) * weights), (2, len(share), len(weights)))
    for nth, of_canary in enumerate(share.T, start=1):
        both = np.stack([of_canary, 1 - of_canary])[..., None]
        logs = np.logaddexp(logs, np.log(LATER * weights / (nth * (nth + 1)))) + both * full + (1 - both) * none
        over = np.logaddexp.reduce(logs, axis=2).max(axis=0) >= LIMIT
        found[(found == 0) & over] = nth
    return found


def delays(answered: float, good_before: int, releases: int, seed: int) -> np.ndarray:
    """Return the scrapes until PROMOTE is withheld, from when a canary answers only a share of its requests.

    A release in which it is not withheld in another hour has a negative number.
    """
    rng = np.random.default_rng([seed, round(answered * 1000), good_before])
    means = np.full(good_before + 2 * SCRAPES, REQUESTS / 2)
    baseline = rng.poisson(means, (releases, len(means)))
    means[good_before:] *= answered
    return alarms(baseline, rng.poisson(means, baseline.shape)) - good_before


def false_alarms(connections: int | None, releases: int, seed: int) -> float:
    """Return the share of releases with an alarm in half an hour, although all requests are answered.

    Args:
        connections: how many there are to both variants together. Each stays with the pod that it reached first, and
            all send the same number of requests. None for one new connection per request.
        releases: how many are simulated for each division of the connections. It is weighted by its probability.
        seed: of the random numbers.
    """
    rng = np.random.default_rng([seed, connections or 0])
    divisions = [(1.0, 0.5)]
    if connections:
        divisions = [(comb(connections, n) / 2**connections, n / connections) for n in range(connections + 1)]
    found = 0.0
    for probability, share in divisions:
        if probability >= LEAST:
            answers = [rng.poisson(REQUESTS * one, (releases, SCRAPES)) for one in (1 - share, share)]
            found += probability * float(np.mean(alarms(*answers) > 0))
    return found


def sample_ratio(seed: int, releases: int = RELEASES) -> str:
    """Return two tables in Markdown: how soon the check notices, and how often it is wrong."""
    when = ["from the start", *(f"after {n * INTERVAL / 60:g} min without a fault" for n in GOOD_BEFORE[1:])]
    late = [
        [f"{share * 100:g} %", *(_delay(delays(share, before, releases, seed)) for before in GOOD_BEFORE)]
        for share in FAILING
    ]
    wrong = [
        ["one per request", _percent(false_alarms(None, 10 * releases, seed))],
        *([f"{n}, kept open", _percent(false_alarms(n, releases // 2, seed))] for n in CONNECTIONS),
    ]
    soon = (
        f"Scrapes until PROMOTE is withheld: the median of {releases:,} simulated releases, in brackets the 95th "
        "percentile."
    )
    alarm = (
        f"Releases in which PROMOTE is withheld within {SCRAPES * INTERVAL / 60:g} minutes (scrapes every "
        f"{INTERVAL:g} s), although canary and baseline answer all requests:"
    )
    tables = _table(["the canary answers", *when], late), _table(["connections to the two variants", "withheld"], wrong)
    return "\n\n".join([soon, tables[0], alarm, tables[1]])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def _delay(scrapes: np.ndarray) -> str:
    if (scrapes < 0).any():
        return f"noticed in {np.mean(scrapes > 0) * 100:.0f} %"
    return f"{np.quantile(scrapes, 0.5):.0f} ({np.quantile(scrapes, 0.95):.0f})"


def _percent(share: float) -> str:
    return f"{share * 100:.2g} %" if share >= 0.0005 else "less than 0.05 %"
