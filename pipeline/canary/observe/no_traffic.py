"""Notices that no requests come, and says so once."""

from canary.events import Note
from canary.marks import Variant
from canary.observe.deployments import services_of
from canary.observe.observation import Observation
from canary.ports import World
from canary.verdict.tally import Tally


class NoTraffic:
    """What was counted last, and since when nothing was."""

    def __init__(self, world: World) -> None:
        """Speak to the world's listener."""
        self._world = world
        self._total: float | None = None
        self._since = 0.0
        self._told = False

    def observe(self, scene: Observation, tally: Tally) -> None:
        """Take note of a look; emit a warning when the options' `no_traffic_after` has gone by without a request."""
        total = sum(
            tally.answered(name, variant) for name, variant, _ in scene.variants(Variant.CANARY, Variant.BASELINE)
        )
        now = self._world.patient_now()
        if total != self._total:
            self._total, self._since, self._told = total, now, False
        elif not self._told and now - self._since >= self._world.options.no_traffic_after:
            self._told = True
            self._world.listen(Note(self._text(scene, tally), warning=True))

    def _text(self, scene: Observation, tally: Tally) -> str:
        quiet = f"no requests in {self._world.options.no_traffic_after:g} s"
        if tally.missing:
            pod, why = min(tally.missing.items(), key=lambda item: item[0].name)
            return f"{quiet}: counts are missing from {len(tally.missing)} pods, such as {pod.name} ({why})"
        services = sorted(
            {
                service
                for _, _, canary in scene.variants(Variant.CANARY)
                for service in services_of(self._world.cluster, canary)
            }
        )
        if not services:
            return f"{quiet}: no Service selects the pods of {', '.join(scene.canaries)}"
        return f"{quiet}: is anything sending load to Service {' or '.join(services)}?"
