"""Notices that no requests come, and says so once."""

from collections.abc import Iterable, Sequence

from canary.events import Note
from canary.marks import ROUTE, Variant
from canary.objects import Object, annotations_of
from canary.observe.deployments import services_of
from canary.observe.observation import Observation
from canary.ports import World
from canary.variants.steps import step_of
from canary.verdict.tally import Tally


def entry(canaries: Sequence[Object], services: Iterable[str]) -> str:
    """Return by what requests come to canaries: the HTTPRoutes that divide them, else these Services."""
    routes = {annotations_of(one)[ROUTE] for one in canaries if ROUTE in annotations_of(one)}
    kind, names = ("HTTPRoute", routes) if routes else ("Service", services)
    return f"{kind} {' or '.join(sorted(names))}"


def why_stable_alone(canaries: Sequence[Object], services: Iterable[str]) -> str:
    """Return why stable may get requests while its canaries, and their baselines, get none."""
    named = entry(canaries, services)
    if not any(ROUTE in annotations_of(one) for one in canaries):
        return f"do clients of {named} keep connections open?"
    if any((step := step_of(one)) and step.percentage for one in canaries):
        return f"do the requests come by {named}?"
    return f"{named} gives them no share at this step"


class NoTraffic:
    """What was counted last, and since when nothing was."""

    def __init__(self, world: World) -> None:
        """Speak to the world's listener."""
        self._world = world
        self._total: float | None = None
        self._of_stable = 0.0
        self._since = 0.0
        self._told = False

    def observe(self, scene: Observation, tally: Tally) -> None:
        """Take note of a look; emit a warning when the options' `no_traffic_after` has gone by without a request."""
        total = _answered(scene, tally, Variant.CANARY, Variant.BASELINE)
        now = self._world.patient_now()
        if total != self._total:
            self._total, self._since, self._told = total, now, False
            self._of_stable = _answered(scene, tally, Variant.STABLE)
        elif not self._told and now - self._since >= self._world.options.no_traffic_after:
            self._told = True
            self._world.listen(Note(self._text(scene, tally), warning=True))

    def _text(self, scene: Observation, tally: Tally) -> str:
        quiet = f"no requests in {self._world.options.no_traffic_after:g} s"
        if tally.missing:
            pod, why = min(tally.missing.items(), key=lambda item: item[0].name)
            return f"{quiet}: counts are missing from {len(tally.missing)} pods, such as {pod.name} ({why})"
        services = self._services(scene, Variant.CANARY)
        if not services:
            return f"{quiet}: no Service selects the pods of {', '.join(scene.canaries)}"
        canaries = [canary for _, _, canary in scene.variants(Variant.CANARY)]
        shares_with_stable = services & self._services(scene, Variant.STABLE)
        if shares_with_stable and _answered(scene, tally, Variant.STABLE) > self._of_stable:
            quiet += " to canary and baseline, although stable gets some"
            return f"{quiet}: {why_stable_alone(canaries, services)}"
        return f"{quiet}: is anything sending load to {entry(canaries, services)}?"

    def _services(self, scene: Observation, variant: Variant) -> set[str]:
        """Return the Services that select the pods of a variant."""
        return {
            service
            for _, _, deployment in scene.variants(variant)
            for service in services_of(self._world.cluster, deployment)
        }


def _answered(scene: Observation, tally: Tally, *variants: Variant) -> float:
    """Return how many requests the variants have answered."""
    return sum(tally.answered(name, variant) for name, variant, _ in scene.variants(*variants))
