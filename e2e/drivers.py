"""Drivers that run in the background of a test."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from e2e.cluster import Namespace


@contextmanager
def started(namespace: Namespace, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run `canary` while the block lasts."""
    driver = namespace.start(*arguments)
    try:
        yield driver
    finally:
        driver.kill()
        driver.communicate(timeout=60)


def told(driver: subprocess.Popen[str], words: str) -> str:
    """Return the output of the driver up to and including the line with these words."""
    assert driver.stderr is not None
    said = ""
    for line in driver.stderr:
        said += line
        if words in line:
            return said
    raise AssertionError(f"it never said {words!r}: {said}")
