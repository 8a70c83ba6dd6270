"""Posts a JSON document about each notification to a URL. docs/notifications.md describes the document."""

from collections.abc import Callable, Mapping
from typing import Any

from canary.notifications.http import Http
from canary.notifications.notification import Notification
from canary.times import timestamp
from canary.urls import origin

VERSION = 1
"""Version of the document. It rises when a field changes its meaning or goes, not when one is added."""

Document = dict[str, Any]
Format = Callable[[Notification], Document]


def as_json(notification: Notification) -> Document:
    """Return the document. Slack shows its field `text` and ignores the others."""
    return {
        "version": VERSION,
        "event": str(notification.occasion),
        "namespace": notification.namespace,
        "workload": notification.workload,
        "images": list(notification.images),
        "decision": notification.decision and str(notification.decision),
        "by": notification.by,
        "sentence": notification.sentence,
        "at": timestamp(notification.at),
        "text": _for_slack(f"{_title(notification)}: {notification.sentence}"),
    }


def as_adaptive_card(notification: Notification) -> Document:
    """Return the document with the attachment that a Workflows webhook of Microsoft Teams posts: an Adaptive Card.

    Its texts are TextRuns, which have no Markdown: what a container or a server says cannot add links to a message.
    """
    facts = {
        "Images": ", ".join(notification.images),
        "Decided by": notification.by or "",
        "Time": timestamp(notification.at),
    }
    heading = {"type": "TextRun", "text": _title(notification), "weight": "Bolder"}
    if notification.is_warning:
        heading["color"] = "Attention"
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.2",
        "body": [
            {"type": "RichTextBlock", "inlines": [heading]},
            {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": notification.sentence}]},
            {"type": "FactSet", "facts": [{"title": title, "value": text} for title, text in facts.items() if text]},
        ],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return as_json(notification) | {"type": "message", "attachments": [attachment]}


FORMATS: Mapping[str, Format] = {"json": as_json, "teams": as_adaptive_card}
"""By the value of `--notify-format`."""


class Webhook:
    """Posts documents to a URL, which may hold a secret."""

    advice = "Check the URL of --notify-url"

    def __init__(self, url: str, form: Format) -> None:
        """Post to a URL in one of the formats."""
        self.destination = f"to {origin(url)}"
        self._form = form
        self._http = Http(url, is_secret=True)
        self.close = self._http.close

    def send(self, notification: Notification) -> None:
        """Post the document; see `Sender.send`."""
        self._http.send("POST", "", json=self._form(notification))


def _title(notification: Notification) -> str:
    return f"{notification.namespace}/{notification.workload}"


def _for_slack(text: str) -> str:
    """Return a text in which Slack finds no links and no mentions: its three control characters, escaped."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
