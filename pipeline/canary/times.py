"""Times and durations, as Kubernetes writes them and as people read and write them.

Inside the driver a time is Unix seconds and a duration is seconds.
"""

import math
import re
from datetime import UTC, datetime

DURATION_PATTERN = r"(?=[0-9])(?:[0-9]+h)?(?:[0-9]+m(?!s))?(?:[0-9]+(?:\.[0-9]+)?s)?(?:[0-9]+ms)?|[0-9]+(?:\.[0-9]+)?"
"""What `parse_duration` accepts, as a regular expression for the whole text."""

_PARTS = re.compile(r"([0-9.]+)(h|ms|m|s)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def timestamp(seconds: float) -> str:
    """Return a time as Kubernetes writes it (`Time`): `2026-01-31T12:00:00Z`."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def micro_timestamp(seconds: float) -> str:
    """Return a time as Leases have it (`MicroTime`): `2026-01-31T12:00:00.250000Z`."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def parse_timestamp(text: str) -> float:
    """Return the time of a `Time` or a `MicroTime`.

    Raises:
        ValueError: the text is not a timestamp.
    """
    return datetime.fromisoformat(text).timestamp()


def readable(seconds: float) -> str:
    """Return a time for a person: `2026-01-31 12:00:00 UTC`."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def local_time(seconds: float) -> str:
    """Return the time of day for a line in a log, by this machine's time zone: `13:00:00`."""
    return f"{datetime.fromtimestamp(seconds).astimezone():%H:%M:%S}"


def parse_duration(text: str) -> float:
    """Return the seconds of a duration that a person wrote: `90`, `90s`, `1m30s`, `1h`, `250ms`.

    Raises:
        ValueError: the text is not a duration.
    """
    if not re.fullmatch(DURATION_PATTERN, text, re.ASCII):
        raise ValueError(f"{text!r} is not a duration")
    if text[-1].isdigit():
        return float(text)
    return math.fsum(float(number) * _UNITS[unit] for number, unit in _PARTS.findall(text))


def duration(seconds: float) -> str:
    """Return a duration as `parse_duration` reads it, to the millisecond: `1h30m`, `5m`, `10s`, `250ms`."""
    left = round(seconds * 1000)
    parts = []
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
