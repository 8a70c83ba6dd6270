"""What the tests of notifications share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.canary.cluster_simulator import Simulator
from tests.canary.quick_release import pods_that_answer


@pytest.fixture
def answers(simulator: Simulator) -> Iterator[Simulator]:
    """Let the pods of app:1 and app:2 answer 90 % good, those of app:3 half."""
    with pods_that_answer(0.9) as old, pods_that_answer(0.9) as equal, pods_that_answer(0.5) as worse:
        simulator.answers.update({"app:1": old, "app:2": equal, "app:3": worse})
        yield simulator


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let attempts follow each other quickly, and a command end soon though something is not delivered."""
    monkeypatch.setattr("canary.notifications.outbox.FIRST_DELAY", 0.01)
    monkeypatch.setattr("canary.notifications.outbox.LONGEST_DELAY", 0.02)
    monkeypatch.setattr("canary.notifications.notifier.DRAIN", 0.3)
