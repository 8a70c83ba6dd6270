"""Notices, while a release is watched, that a selector cannot be meant so: before anything is decided by it."""

from collections.abc import Container, Iterable, Sequence

from canary.errors import InputError, NotAnsweringError
from canary.events import Note
from canary.marks import Variant
from canary.observe.observation import Observation
from canary.ports import SampleSource, World
from canary.verdict.comparison import Decision, Verdict
from canary.verdict.exposed_metrics import HARMLESS, ExposedMetrics, ineffective_conditions, unmatched_selectors
from canary.verdict.measures import Metric
from canary.verdict.scrapes import Pod
from canary.verdict.tally import Tally

ADVICE = "Correct the selector (canary config shows where it is set)"
UNASKED = "If the metric exists only after its first request, send one, or raise --no-traffic-after"


class SelectorCheck:
    """What is known of the selectors.

    They are compared with what the pods expose once enough requests were counted, at the latest before PROMOTE, and
    each time that the options' `no_traffic_after` has gone by without enough of them.
    """

    def __init__(self, world: World, samples: SampleSource) -> None:
        """Ask `samples` what the pods expose."""
        self._world = world
        self._samples = samples
        self._since: float | None = None  # seconds, from when on requests were to come
        self._settled: set[str] = set()
        self._warned: set[str] = set()

    def check(self, scene: Observation, pods: Sequence[Pod], tally: Tally, verdict: Verdict) -> str:
        """Look at the selectors if it is time, and return why that is not possible, empty if it is.

        A condition that excludes nothing is warned of, and so is a metric or label that the canary alone lacks.

        Raises:
            InputError: a selector is misspelt; the message says what there is instead.
        """
        options = self._world.options
        unsettled = [metric for metric in options.measures.metrics if metric.name not in self._settled]
        answering = [pod for pod in pods if pod not in tally.missing]
        variants = {(name, variant) for name, variant, _ in scene.variants(Variant.CANARY, Variant.BASELINE)}
        is_too_early = not scene.ready_at or variants - {(pod.workload, pod.variant) for pod in answering}
        if not unsettled or is_too_early or verdict.decision is Decision.REJECT:
            return ""
        now = self._world.patient_now()
        self._since = self._since or now + max(scene.ready_at + options.warm_up - scene.at, 0)
        decided = verdict.decision is Decision.PROMOTE
        enough = {one.name for one in unsettled if decided or self._has_enough(variants, tally, one)}
        if not enough and now - self._since < options.no_traffic_after:
            return ""
        try:
            canary, others = (
                self._samples.exposed([pod for pod in answering if (pod.variant is Variant.CANARY) is new])
                for new in (True, False)
            )
        except NotAnsweringError as error:
            return f"the selectors could not be checked: {error}"
        self._since = now
        self._compare(unsettled, enough, canary | others)
        for metric in unsettled:
            if metric.name not in enough:
                for text in unmatched_selectors(metric, canary, enough=False, least=self._least):
                    self._warn(f"of the canary's pods alone: {text}")
        self._settled |= enough
        return ""

    def _compare(self, metrics: Iterable[Metric], enough: Container[str], exposed: ExposedMetrics) -> None:
        found, unasked = dict[str, None](), ""
        for metric in metrics:
            for text in unmatched_selectors(metric, exposed, enough=metric.name in enough, least=self._least):
                found[text] = None
                unasked = unasked if exposed.counted.get(metric.total.name) else UNASKED
        if found:
            raise InputError(". ".join(filter(None, [*found, unasked, ADVICE])))
        for metric in metrics:
            if metric.name in enough:
                for text in ineffective_conditions(metric, exposed):
                    self._warn(f"{text}: {HARMLESS}")

    def _warn(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self._world.listen(Note(text, warning=True))

    @property
    def _least(self) -> int:
        return max(1, self._world.options.min_requests)

    def _has_enough(self, variants: Iterable[tuple[str, Variant]], tally: Tally, metric: Metric) -> bool:
        return all(tally.evidence(name, variant, metric).total >= self._least for name, variant in variants)
