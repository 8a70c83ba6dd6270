"""Who delivers notifications to URLs, as the settings have it."""

from canary.cli.tokens import read_secret
from canary.errors import InputError
from canary.notifications.outbox import Sender
from canary.notifications.webhook import FORMATS, Webhook
from canary.settings.settings import SETTINGS, Settings


def senders(settings: Settings) -> list[Sender]:
    """Return who delivers notifications to URLs.

    Raises:
        InputError: a file of a secret cannot be read, or holds none.
    """
    return [Webhook(_url(settings.notify_url), FORMATS[settings.notify_format])] if settings.notify_url else []


def _url(given: str) -> str:
    """Return the URL to send documents to, read from its file if one is given."""
    if not given.startswith("@"):
        return given
    value_type = SETTINGS["notify_url"].value_type
    url = read_secret("--notify-url", given[1:], "URL")
    try:
        if not url.startswith("@"):
            return str(value_type.read(url))
    except ValueError:
        pass
    raise InputError(f"--notify-url: the content of {given[1:]} is not a URL: write one there, and nothing else")
