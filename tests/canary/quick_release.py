"""Releases that take a second: their options, and pods whose metrics count requests by themselves."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.http_servers import serving

NEW = ("m.yml", "--image", "app:2", "--percentage", "50")
WORSE = ("m.yml", "--image", "app:3", "--percentage", "50")
QUICK = ("--tolerance", "0.05", "--warm-up", "0", "--min-duration", "0", "--interval", "10ms", "--max-duration", "20s")


@contextmanager
def pods_that_answer(good: float) -> Iterator[int]:
    """Serve metrics that count a hundred more requests at each look, and give the port."""
    looks = itertools.count(1)

    def answer(_path: str, _headers: Mapping[str, str]) -> tuple[int, str]:
        total = 100 * next(looks)
        lines = [
            f'requests_total{{custom_status="{status}"}} {total * share}\n'
            for status, share in (("good", good), ("bad", 1 - good))
        ]
        return 200, "".join(lines)

    with serving(answer) as page:
        yield page.server_port
