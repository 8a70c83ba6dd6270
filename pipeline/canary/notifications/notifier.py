"""The listener: it hands notifications to the receivers, and says in the end what did not reach them."""

from collections.abc import Sequence

from canary.events import Event, Listener, Note
from canary.notifications.notification import Notifications
from canary.notifications.outbox import Outbox, Sender

DRAIN = 5.0
"""Seconds that a command waits at its end for notifications that are not delivered yet."""


class Notifier:
    """Hears events, and sends notifications about them."""

    def __init__(self, notifications: Notifications, senders: Sequence[Sender]) -> None:
        self._notifications = notifications
        self._outboxes = [Outbox(sender) for sender in senders]

    def __call__(self, event: Event) -> None:
        """Hand over what an event is told as. This neither waits nor fails."""
        for notification in self._notifications.of(event):
            for outbox in self._outboxes:
                outbox.put(notification)

    def close(self, listen: Listener) -> None:
        """Wait a moment for what is not delivered yet, then say what was not. Ctrl-C ends the wait, nothing else."""
        for outbox in self._outboxes:
            outbox.finish(DRAIN)
        try:
            for outbox in self._outboxes:
                outbox.wait()
        except KeyboardInterrupt:
            pass  # the command is done; only its exit code is left to return
        for report in (outbox.report for outbox in self._outboxes):
            if report:
                listen(Note(report, warning=True))
