"""What the tests of notifications share."""

from __future__ import annotations

import pytest


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let attempts follow each other quickly, and a command end soon though something is not delivered."""
    monkeypatch.setattr("canary.notifications.outbox.FIRST_DELAY", 0.01)
    monkeypatch.setattr("canary.notifications.outbox.LONGEST_DELAY", 0.02)
    monkeypatch.setattr("canary.notifications.notifier.DRAIN", 0.3)
