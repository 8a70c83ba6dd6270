"""A listener that collects the events of a command for its report."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from canary.chart.over_time import Kind, Point
from canary.chart.points import point_of
from canary.errors import ExitCode
from canary.events import (
    Decided,
    Deployed,
    Differs,
    Event,
    Grows,
    HandedOver,
    Judged,
    KeepsWatching,
    Looked,
    Note,
    Promoted,
    Ready,
    Recalled,
    Rejected,
    StableChanged,
    Started,
    Undone,
    VariantState,
    Written,
)
from canary.report.report import Context, Entry, Outcome, Progress, Report
from canary.sentences import sentence_of
from canary.verdict.comparison import Comparison, Decision, Verdict
from canary.verdict.forecast import Forecast
from canary.verdict.history import History
from canary.verdict.looks import Counts, Look
from canary.verdict.tolerance import Multiple

TOLD = (
    Started,
    Ready,
    Deployed,
    Differs,
    StableChanged,
    Judged,
    Grows,
    Decided,
    KeepsWatching,
    HandedOver,
    Promoted,
    Rejected,
    Undone,
)
"""Events that always have a line in the timeline."""


@dataclass
class Collector:
    """Hears every event of one command.

    Attributes:
        now: returns Unix seconds.
    """

    now: Callable[[], float]
    _began: float = field(init=False)
    _timeline: list[Entry] = field(default_factory=list)
    _counts: dict[tuple[str, str], Counts] = field(default_factory=dict)
    _looks: dict[tuple[str, str], list[Look]] = field(default_factory=dict)
    _points: dict[tuple[str, str], list[Point]] = field(default_factory=dict)
    _said_since: dict[tuple[str, str], tuple[float, Decision]] = field(default_factory=dict)
    _started: Started | None = None
    _images: tuple[str, ...] = ()
    _variants: tuple[VariantState, ...] = ()
    _verdict: Verdict | None = None
    _forecast: Forecast | None = None
    _decision_told: Decision | None = None
    _decided: tuple[float, Decided] | None = None
    _is_decision_due: bool = False
    _promoted: list[Promoted] = field(default_factory=list)
    _rejected: list[Rejected] = field(default_factory=list)
    _undone: list[Undone] = field(default_factory=list)
    _handed_over: HandedOver | None = None

    def __post_init__(self) -> None:
        self._began = self.now()

    def __call__(self, event: Event) -> None:
        """Collect an event."""
        if self._is_told(event):
            self._timeline.append(Entry(self.now(), type(event).__name__.lower(), sentence_of(event)))
        match event:
            case Started():
                self._started, self._images = event, event.images or self._images
            case Recalled() if self._verdict is None:
                self._variants, self._verdict = event.variants, event.verdict
                self._recall(event)
            case Looked():
                self._variants, self._verdict, self._forecast = event.variants, event.verdict, event.forecast
                self._count(event)
            case Judged():
                self._verdict, self._is_decision_due = event.verdict, True
            case Grows():
                self._is_decision_due = False
            case Decided():
                self._decided, self._is_decision_due = (self.now(), event), False
            case Promoted():
                self._promoted.append(event)
            case Rejected():
                self._rejected.append(event)
            case Undone():
                self._undone.append(event)
            case HandedOver():
                self._handed_over = event
            case _:
                pass

    @property
    def workloads(self) -> tuple[str, ...]:
        """Names of the stable Deployments, as far as events have told them."""
        return self._started.workloads if self._started else self._handed_over.workloads if self._handed_over else ()

    def report(self, context: Context) -> Report:
        """Return the report of the command, which ends now."""
        at, decided = self._decided or (self._began, context.decided)
        return Report(
            context=context,
            outcome=self._outcome(context),
            verdict=self._verdict,
            decided=decided,
            decided_at=at,
            began=self._began,
            ended=self.now(),
            images=self._images,
            variants=self._variants,
            promoted=tuple(self._promoted),
            rejected=tuple(self._rejected),
            undone=tuple(self._undone),
            handed_over=self._handed_over,
            timeline=tuple(self._timeline),
            counts=tuple(replace(one, looks=tuple(self._looks[key])) for key, one in self._counts.items()),
            forecast=self._forecast,
            progress={key: Progress(tuple(points), self._said_since[key]) for key, points in self._points.items()},
        )

    def _outcome(self, context: Context) -> Outcome:
        if context.exit_code == ExitCode.INTERRUPTED:
            return Outcome.INTERRUPTED
        if context.error and self._undone:
            return Outcome.UNDONE
        is_unread = context.exit_code == ExitCode.UNREAD  # the release itself may have ended before
        if context.error and not is_unread:
            is_undecided = context.exit_code == ExitCode.TIMED_OUT and self._is_decision_due
            return Outcome.UNDECIDED if is_undecided else Outcome.FAILED
        if is_unread and not self._has_ended(context):
            return Outcome.FAILED
        if self._promoted or (self._handed_over and self._handed_over.promote):
            return Outcome.PROMOTED
        if self._rejected or self._handed_over:
            return Outcome.REJECTED
        return Outcome.WATCHED if self._verdict and context.command == "watch" else Outcome.UNCHANGED

    def _has_ended(self, context: Context) -> bool:
        """Return whether the release ended, or the watching, before nobody read its result."""
        if context.command == "watch":
            return self._is_decision_due
        ended = {one.workload for one in self._promoted} | {one.workload for one in self._rejected}
        return self._handed_over is not None or (bool(ended) and ended >= set(self.workloads))

    def _is_told(self, event: Event) -> bool:
        """Return whether an event has a line in the timeline: of the looks, those at which the verdict changes."""
        match event:
            case Note():
                return event.warning
            case Written():
                return event.action != "unchanged"
            case Recalled():
                return self._verdict is None
            case Looked():
                is_news = event.verdict.decision is not self._decision_told and not event.last
                self._decision_told = event.verdict.decision
                return is_news
            case _:
                return isinstance(event, TOLD)

    def _recall(self, event: Recalled) -> None:
        for one in event.verdict.comparisons:
            looks = event.histories.get(one.workload, History()).looks(one.metric)
            self._add(one, event.verdict, looks, saved_until=looks[-1].at if looks else None)

    def _count(self, event: Looked) -> None:
        for one in event.verdict.comparisons:
            stable = event.stable.get((one.workload, one.metric))
            self._add(one, event.verdict, [Look(event.at, one.baseline, one.canary, stable)])
            self._draw(event.at, one)

    def _draw(self, at: float, one: Comparison) -> None:
        key = one.workload, one.metric
        kind: Kind = "ratio" if isinstance(one.tolerance, Multiple) else "difference"
        self._points.setdefault(key, []).append(point_of(at, one, kind))
        if key not in self._said_since or self._said_since[key][1] is not one.decision:
            self._said_since[key] = at, one.decision

    def _add(
        self, one: Comparison, verdict: Verdict, looks: Sequence[Look], *, saved_until: float | None = None
    ) -> None:
        """Add looks to the counts of a comparison; its latest parameters hold."""
        key = (one.workload, one.metric)
        before = self._counts.get(key)
        self._counts[key] = Counts(
            *key,
            one.tolerance,
            one.alpha,
            len(verdict.comparisons),
            (),
            before.saved_until if before else saved_until,
        )
        self._looks.setdefault(key, []).extend(looks)
