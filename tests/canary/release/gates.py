"""Gates of a release that wait, and what somebody else decides on them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Self

from canary.events import Answer, Decided, KeepsWatching, Note
from canary.gate.manual import ManualGate
from canary.objects import DEPLOYMENT
from canary.release.release import ReleaseOutcome
from canary.settings.release_arguments import ReleaseArguments
from canary.state.decision import record_decision, waiting_gate
from tests.canary.drivers import BOB, lock
from tests.canary.story import Story, deployment

OLD, NEW = deployment("app:1"), deployment("app:2")


@dataclass
class Answers:
    """A gate that waits, and gives its own answer once a test has done something."""

    do: Callable[[], object]
    answer: Answer | None = None

    def decide(self, verdict: Any, elsewhere: Callable[[], Answer | None]) -> Answer | None:
        assert elsewhere() is None
        self.do()
        return self.answer or elsewhere()


class Brisk:
    """Real time, with short sleeps: a simulated clock would let seconds pass in which the other thread gets no turn."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)

    def sleep(self, seconds: float) -> None:
        time.sleep(min(seconds, 0.02))


@dataclass
class Waiting:
    """A release that waits at its gate, in a thread of its own.

    The gate waits in real time: with simulated sleeps, its lock would get old before the test gets its turn.
    """

    story: Story
    objects: tuple[Any, ...]
    arguments: ReleaseArguments | None = None
    outcome: ReleaseOutcome | None = None
    errors: list[BaseException] = field(default_factory=list)

    def __enter__(self) -> Self:
        gate = ManualGate(Brisk(), self.story.events.append, 1e9, "canary promote", "canary reject")
        cluster = self.story.simulator.cluster(self.story.namespace)
        release = self.story.release(
            *self.objects,
            gate=gate,
            lock=lock(self.story, cluster=cluster),
            cluster=cluster,
            arguments=self.arguments,
        )

        def run() -> None:
            try:
                self.outcome = release.run()
            except BaseException as error:  # noqa: BLE001 - the test raises it
                self.errors.append(error)

        self._thread = threading.Thread(target=run)
        self._thread.start()
        self.story.until(lambda: bool(self.errors) or gate_of(self.story) is not None)
        return self

    def error(self) -> BaseException:
        """Return the error that the release ends with."""
        self._thread.join(60)
        return self.errors.pop()

    def __exit__(self, *_: object) -> None:
        self._thread.join(60)
        assert not self._thread.is_alive()
        if self.errors:
            raise self.errors[0]


def gate_of(story: Story) -> Any:
    return waiting_gate(story.cluster, "app", story.cluster.get(DEPLOYMENT, "app-canary"))


def bob(story: Story, *objects: Any, **more: Any) -> Any:
    """Return a release of another driver."""
    release = story.release(*objects, lock=lock(story, BOB), person="bob@build-7", **more)
    return replace(release, clock=Brisk())


def notes(story: Story) -> list[str]:
    return [note.text for note in story.heard(Note)]


def recorded(story: Story, *, promote: bool) -> None:
    gate = gate_of(story)
    assert gate
    assert record_decision(story.cluster, gate, Decided(promote, "bob@build-7"), story.clock.now())


def keeps_watching(story: Story, by: str = "bob@build-7") -> None:
    gate = gate_of(story)
    assert gate
    assert record_decision(story.cluster, gate, KeepsWatching(by, reason="too early"), story.clock.now())


@dataclass
class Asked:
    """A gate that is asked several times, and waits for what each of a test's actions leads to."""

    do: list[Callable[[], object]]

    def decide(self, verdict: Any, elsewhere: Callable[[], Answer | None]) -> Answer:
        assert elsewhere() is None
        self.do.pop(0)()
        answer = elsewhere()
        assert answer
        return answer
