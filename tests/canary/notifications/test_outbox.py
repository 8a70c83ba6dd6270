"""The queue of notifications for one receiver, at its limits."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from canary.events import Event, HandedOver, KeepsWatching, Note, Promoted, Started
from canary.notifications.notification import Notification, Notifications, Occasion
from canary.notifications.notifier import Notifier
from canary.notifications.outbox import CAPACITY, TryAgainError


class Receiver:
    """A sender to a receiver that does what a test says with each notification."""

    destination, advice = "to the test", "Look at the test"

    def __init__(self, take: Callable[[], None] = lambda: None) -> None:
        self.got: list[str] = []
        self.is_closed = threading.Event()
        self._take = take

    def send(self, notification: Notification) -> None:
        self._take()
        self.got.append(notification.workload)

    def close(self) -> None:
        self.is_closed.set()


def told(receiver: Receiver, count: int = 1, *, before_the_end: Callable[[], None] = lambda: None) -> list[Event]:
    """Send notifications about workloads 0, 1, …, and return what is said at the end."""
    notifier = Notifier(Notifications("ada", lambda: 0.0), [receiver])
    for number in range(count):
        notifier(Promoted(str(number), ()))
    before_the_end()
    said: list[Event] = []
    notifier.close(said.append)
    return said


def test_notifications_arrive_in_their_order_and_the_receiver_is_closed() -> None:
    receiver = Receiver()
    assert told(receiver, CAPACITY) == []
    assert receiver.got == [str(number) for number in range(CAPACITY)]
    assert receiver.is_closed.wait(10)


def test_who_hands_a_decision_over_leaves_the_notification_to_the_driver_at_the_gate() -> None:
    handed_over = HandedOver(("app",), promote=True, to="ada@laptop, process 7")
    assert Notifications("bob", lambda: 0.0).of(handed_over) == ()


def test_who_keeps_watching_is_told_for_each_workload() -> None:
    notifications = Notifications("ada@build-7", lambda: 7.0)
    notifications.of(Started("release", ("app", "shop"), "lab"))
    told_of = notifications.of(KeepsWatching("bob@laptop", "PROMOTE, 2.0 points better", reason="too early"))
    assert [one.workload for one in told_of] == ["app", "shop"]
    sentence = "decided to keep watching, by bob@laptop: too early (verdict: PROMOTE, 2.0 points better)"
    for one in told_of:
        assert (one.occasion, one.sentence, one.by, one.decision, one.is_warning) == (
            Occasion.WATCHING,
            sentence,
            "bob@laptop",
            None,
            False,
        )
    (promoted,) = notifications.of(Promoted("app", ("app:2",)))
    assert promoted.by == "ada@build-7", "who kept watching has decided nothing"


def test_those_that_do_not_fit_into_the_queue_are_lost_and_reported() -> None:
    is_open = threading.Event()
    receiver = Receiver(lambda: assert_true(is_open.wait(60)))
    [note] = told(receiver, CAPACITY + 3, before_the_end=is_open.set)
    assert isinstance(note, Note)
    assert note.text.startswith("3 of 103 notifications could not be sent to the test: too many were waiting.")
    assert len(receiver.got) == CAPACITY


@pytest.mark.usefixtures("impatient")
def test_an_attempt_is_repeated_only_for_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("canary.notifications.outbox.PATIENCE", 0)
    attempts: list[None] = []
    failed = threading.Event()

    def fail_at_first() -> None:
        attempts.append(None)
        if len(attempts) == 1:
            raise TryAgainError("it is away")
        failed.set()

    receiver = Receiver(fail_at_first)
    [note] = told(receiver, 2, before_the_end=lambda: assert_true(failed.wait(60)))
    assert note == Note(
        "1 of 2 notifications could not be sent to the test: it is away. This does not affect the release. "
        "Look at the test",
        warning=True,
    )
    assert receiver.got == ["1"]


def test_a_bug_in_a_sender_is_reported_without_its_text() -> None:
    def fail() -> None:
        raise RuntimeError("https://chat.example/hunter2")

    [note] = told(Receiver(fail))
    assert isinstance(note, Note)
    assert ": a bug in canary (RuntimeError). " in note.text


def test_ctrl_c_ends_the_wait_at_the_end_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    is_over = threading.Event()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    def press_ctrl_c() -> None:
        monkeypatch.setattr(threading.Thread, "join", interrupt)

    try:
        [note] = told(Receiver(lambda: assert_true(is_over.wait(60))), before_the_end=press_ctrl_c)
    finally:
        monkeypatch.undo()
        is_over.set()
    assert isinstance(note, Note)
    assert note.text.startswith("1 of 1 notification could not be sent to the test: it did not answer in time.")


def assert_true(condition: bool) -> None:
    assert condition


def test_a_receiver_that_wants_more_time_than_is_left_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("canary.notifications.outbox.PATIENCE", 1e9)
    monkeypatch.setattr("canary.notifications.notifier.DRAIN", 3600.0)

    def ask_for_two_hours() -> None:
        raise TryAgainError("it is busy", 7200.0)

    [note] = told(Receiver(ask_for_two_hours))  # a wait would last longer than a test may
    assert isinstance(note, Note)
    assert note.text.startswith("1 of 1 notification could not be sent to the test: it is busy.")
