"""One look at the variants: a table, and the differences below it."""

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from canary.events import Looked, VariantState
from canary.printable import printable
from canary.terminal.bar import bar, signed
from canary.terminal.lines import COLOURS
from canary.verdict.comparison import Comparison, Decision
from canary.verdict.confidence import share_interval
from canary.verdict.evidence import Evidence
from canary.verdict.multiples import times
from canary.verdict.tolerance import Multiple
from canary.verdict.wording import precision

VARIANT_COLOURS = {"canary": "bold", "baseline": "", "stable": "dim"}
COLUMNS = ("", "pods", "requests", "good", "95 % interval", "req/s", "p50", "p99")
OPTIONAL = ("p50", "req/s", "95 % interval", "p99", "pods")  # left out in this order if the terminal is too narrow
GAP = 2


def look(event: Looked, width: int) -> RenderableType:
    """Return a look, at most `width` columns wide if that is possible."""
    parts: list[RenderableType] = []
    for workload in dict.fromkeys(state.workload for state in event.variants):
        states = [state for state in event.variants if state.workload == workload]
        comparisons = [comparison for comparison in event.verdict.comparisons if comparison.workload == workload]
        digits = max(map(precision, comparisons), default=1)
        parts.append(_variants(workload, states, width, digits))
        for comparison in comparisons:
            parts += [Text(), *_difference(comparison, width, several=len(comparisons) > 1)]
        parts.append(Text())
    parts.append(_state(event))
    return Padding(Group(*parts), (1, 0, 0, 2))


def _variants(workload: str, states: list[VariantState], width: int, digits: int) -> Table:
    header = {name: Text(name or printable(workload)) for name in COLUMNS}
    rows = [_cells(state, digits) for state in states]
    names = list(COLUMNS)
    for name in OPTIONAL:
        needed = sum(GAP + max(row[column].cell_len for row in [header, *rows]) for column in names)
        if needed > width:  # the margin is as wide as the gap that the last column does not have
            names.remove(name)
    table = Table(box=None, padding=(0, GAP, 0, 0), header_style="dim", pad_edge=False)
    for name in names:
        table.add_column(header[name], justify="right" if name else "left", no_wrap=True)
    for state, row in zip(states, rows, strict=True):
        table.add_row(*(row[name] for name in names), style=VARIANT_COLOURS[state.variant])
    return table


def _cells(state: VariantState, digits: int) -> dict[str, Text]:
    share = low = high = ""
    if state.total:
        share = f"{state.good / state.total * 100:.{digits}f} %"
        low, high = (f"{end * 100:.{digits}f}" for end in share_interval(Evidence(state.good, state.total)))
    count = f"{state.total:,.0f}" + (" + ?" if state.missing else "")
    return {
        "": Text(str(state.variant)),
        "pods": Text(f"{state.ready}/{state.desired}", "" if state.ready == state.desired else "yellow"),
        "requests": Text(count, "yellow" if state.missing else ""),
        "good": Text(share or "–"),
        "95 % interval": Text(f"{low}–{high}" if share else "–"),
        "req/s": Text("–" if state.rate is None else f"{state.rate:.1f}"),
        "p50": Text(_latency(state.p50)),
        "p99": Text(_latency(state.p99)),
    }


def _difference(comparison: Comparison, width: int, *, several: bool) -> list[RenderableType]:
    what = f"{printable(comparison.metric)}: " if several else ""
    if comparison.difference is None:
        return [Text(f"{what}{printable(comparison.sentence)}")]
    tolerance, digits = comparison.tolerance, precision(comparison)
    if isinstance(tolerance, Multiple):
        if comparison.ratio is None:
            return [Text(f"{what}{printable(comparison.sentence)}")]
        compared, found = "canary's errors ÷ baseline's", f"{times(comparison.ratio, tolerance)} times"
        low, high = (times(end, tolerance) for end in comparison.ratio_interval)
        edge = f", tolerance {tolerance}"
    else:
        compared, found = "canary − baseline", f"{signed(comparison.difference, digits)} points"
        low, high = (signed(end, digits) for end in comparison.interval)
        edge = "" if tolerance is None else f", tolerance {tolerance * 100:.{digits}f}"
    head = Text.assemble(
        f"{what}{compared} ", (found, f"bold {COLOURS[comparison.decision]}"), f" ({low} to {high}{edge})"
    )
    return [head, bar(comparison, min(width - 4, 76))]


def _state(event: Looked) -> Text:
    minutes, seconds = divmod(int(event.elapsed), 60)
    decision = event.verdict.decision
    text = Text.assemble((str(decision), f"bold {COLOURS[decision]}"), (f" after {minutes}:{seconds:02}", "dim"))
    if event.step:
        text.append(f", {event.step}")
    if event.waiting_for and decision is not Decision.REJECT:  # a rejected canary is not waited for
        text.append(f", waiting: {printable(event.waiting_for)}")
    elif not event.verdict.comparisons:
        text.append(f": {printable(event.verdict.sentence)}")
    if event.forecast:
        text.append(f", expected: {event.forecast}")
    return text


def _latency(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms"
    return f"{seconds:.1f} s"
