"""A driver that reaches the API server through a proxy that a test can cut."""

from __future__ import annotations

from kubernetes import client

from canary.events import Note
from canary.kube.availability import Availability
from canary.kube.connection import Connection
from canary.kube.transport import Transport
from e2e.faulty_proxy import FaultyProxy
from tests.canary.story import Story


def transport_through(story: Story, proxy: FaultyProxy) -> Transport:
    """Return a transport through the proxy, with the story's clock. It calls its server `the lab`."""
    configuration = client.Configuration()
    configuration.host = proxy.url
    configuration.proxy = None
    configuration.retries = False
    return Transport(
        lambda: Connection(client.ApiClient(configuration), story.namespace, "the lab"),
        sleep=story.clock.sleep,
        availability=Availability(lambda text: story.events.append(Note(text, warning=True)), story.clock.now),
    )
