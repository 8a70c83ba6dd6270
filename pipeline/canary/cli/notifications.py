"""Who delivers notifications to URLs, as the settings have it."""

from collections.abc import Callable
from functools import partial

from canary.cli.tokens import read_token, read_url
from canary.kube.cluster import Cluster
from canary.notifications.grafana import Grafana
from canary.notifications.outbox import Sender
from canary.notifications.webhook import FORMATS, Webhook
from canary.settings.settings import Settings


def senders(settings: Settings, cluster: Callable[[], Cluster]) -> list[Sender]:
    """Return who delivers notifications to URLs.

    Args:
        settings: with the URLs.
        cluster: opens a cluster for one sender.

    Raises:
        InputError: a file of a secret cannot be read, or its content cannot be right.
    """
    found: list[Sender] = []
    if settings.notify_url:
        found.append(Webhook(read_url("notify_url", settings.notify_url), FORMATS[settings.notify_format]))
    if settings.grafana_url:
        token = partial(read_token, "--grafana-token-file", settings.grafana_token_file, "CANARY_GRAFANA_TOKEN")
        token()  # is it there, and one?
        own = cluster()
        found.append(Grafana(settings.grafana_url, token, own, own.close))
    return found
