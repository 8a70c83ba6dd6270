"""A driver whose requests go through a line that a test can cut."""

from __future__ import annotations

from kubernetes import client

from canary.events import Note
from canary.kube.availability import Contact
from canary.kube.connection import Connection
from canary.kube.transport import Transport
from e2e.line import Line
from tests.canary.story import Story


def through(story: Story, line: Line) -> Transport:
    """Return a transport through the line to what it calls the lab, which waits by the story's clock."""
    configuration = client.Configuration()
    configuration.host = line.url
    configuration.proxy = None
    configuration.retries = False
    return Transport(
        lambda: Connection(client.ApiClient(configuration), story.namespace, "the lab"),
        sleep=story.clock.sleep,
        contact=Contact(lambda text: story.events.append(Note(text, warning=True)), story.clock.now),
    )
