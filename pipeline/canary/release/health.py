"""How far the experiment itself can be trusted: its counts, its traffic, its looks and its lock."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from canary.marks import COMPARED, Variant
from canary.plurals import counted
from canary.release.overview import Health, Phase
from canary.state.lease import Holder
from canary.state.record import Record
from canary.verdict.comparison import Comparison, Decision
from canary.verdict.history import History
from canary.verdict.strata import LEAST_SCRAPES
from canary.verdict.tally import RECENT

LONGEST_QUIET = 10.0
"""Seconds without a look after which a driver may have died. With a longer interval it is three intervals."""


@dataclass(frozen=True)
class Experiment:
    """What decides how far a comparison can be trusted.

    Attributes:
        workload: the stable Deployment's name.
        phase: what happens with it.
        record: what was counted and judged, None if nothing was.
        comparisons: of this workload.
        driver: who holds the lock, None if nobody does.
        seen_at: Unix seconds of the last look, None before the first.
        at: Unix seconds: now.
    """

    workload: str
    phase: Phase
    record: Record | None
    comparisons: Sequence[Comparison]
    driver: Holder | None
    seen_at: float | None
    at: float


def health(now: Experiment) -> Iterator[Health]:
    """Yield what can be said, one sentence each."""
    if now.record is not None:
        yield _scrapes(now.record)
        if now.comparisons:
            yield _traffic(now, now.record)
            yield _requests(now, now.record)
    yield from _looks(now)
    yield from _lock(now)


def rate(history: History, variant: Variant, metric: str) -> float | None:
    """Return the requests per second over the last 30 seconds of a history, None while unknown."""
    if len(history.points) < 2:
        return None
    last = history.points[-1]
    before = next(point for point in history.points if last.at - point.at <= RECENT)
    if before is last:
        before = history.points[-2]
    counts = [point.evidence.get((variant, metric)) for point in (before, last)]
    totals = [one.total if one else 0.0 for one in counts]
    return (totals[1] - totals[0]) / (last.at - before.at)


def _scrapes(record: Record) -> Health:
    missing = record.last_look.missing if record.last_look else {}
    if not missing:
        return Health("scrapes", is_problem=False, text="All pods report their counts.")
    names = ", ".join(missing)
    return Health("scrapes", is_problem=True, text=f"Counts are missing from {names}: {next(iter(missing.values()))}.")


def _traffic(now: Experiment, record: Record) -> Health:
    if doubt := record.tally.doubt(now.workload):
        return Health("traffic", is_problem=True, text=f"{doubt[0].upper()}{doubt[1:]}")
    return Health("traffic", is_problem=False, text="No sign of requests without an answer.")


def _requests(now: Experiment, record: Record) -> Health:
    metric = record.measures.metrics[0].name if record.measures else now.comparisons[0].metric
    first = next((one for one in now.comparisons if one.metric == metric), now.comparisons[0])
    silent = [str(name) for name, one in zip(COMPARED, (first.baseline, first.canary), strict=True) if not one.total]
    if silent:
        return Health("requests", is_problem=True, text=f"No requests to {' and '.join(silent)} yet.")
    history = record.histories.get(now.workload, History())
    rates = {variant: rate(history, variant, metric) for variant in COMPARED}
    last = history.points[-1].at if history.points else None
    if last is not None and now.seen_at is not None and now.seen_at - last > RECENT:
        return Health("requests", is_problem=True, text=f"No request was answered in {_seconds(now.seen_at - last)}.")
    told = ", ".join(f"{variant} {one:,.1f}" for variant, one in reversed(rates.items()) if one is not None)
    text = f"Requests per second: {told}." if told else "It is not known yet how many requests come per second."
    if first.decision is Decision.UNDECIDED and first.scrapes is not None and first.scrapes < LEAST_SCRAPES:
        few = f"Too few to decide: {first.scrapes} of at least {counted(LEAST_SCRAPES, 'scrape')} with answers of both."
        return Health("requests", is_problem=True, text=f"{few} {text}")
    return Health("requests", is_problem=False, text=text)


def _looks(now: Experiment) -> Iterator[Health]:
    ago = None if now.seen_at is None else max(0.0, now.at - now.seen_at)
    if now.phase is Phase.LEFT:
        last = "" if ago is None else f" The last look was {_seconds(ago)} ago."
        yield Health("looks", is_problem=True, text=f"Nobody compares canary and baseline now.{last}")
    elif now.phase is Phase.WAITING:
        text = "No answers are counted while the release waits."
        yield Health("looks", is_problem=False, text=text)
    elif now.phase is Phase.COMPARING and ago is not None:
        interval = now.record.last_look.interval if now.record and now.record.last_look else 0.0
        if ago <= max(LONGEST_QUIET, 3 * interval):
            yield Health("looks", is_problem=False, text=f"The last look was {_seconds(ago)} ago.")
        elif now.record and now.record.last_look and now.record.last_look.missing:
            yield Health("looks", is_problem=True, text=f"No look has had all counts for {_seconds(ago)}.")
        else:
            yield Health("looks", is_problem=True, text=f"No look for {_seconds(ago)}: the driver may have died.")


def _lock(now: Experiment) -> Iterator[Health]:
    driver = now.driver
    if driver is None:
        if now.phase is not Phase.IDLE:
            yield Health("lock", is_problem=False, text="No driver holds the lock.")
        return
    ago = _seconds(max(0.0, now.at - driver.renewed))
    if driver.is_at_work(now.at):
        text = f"{driver.name} works on it; last sign of life {ago} ago."
        yield Health("lock", is_problem=False, text=text)
    else:
        text = f"{driver.name} is no longer running. Another driver can take over."
        if not driver.has_ended:
            text = f"{driver.name} may have died: it has not renewed its lock for {ago}. Another driver can take over."
        yield Health("lock", is_problem=True, text=text)


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
