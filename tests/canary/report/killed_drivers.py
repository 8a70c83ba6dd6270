"""Leaves reports in folders, and drivers that were killed while they left another one."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from canary.errors import ExitCode
from canary.report import folder
from canary.report.folder import write
from tests.canary.report.made_up import BEGAN, MadeUp

STEPS: dict[str, Any] = {
    "copy2": shutil,
    "mkdir": Path,
    "rename": Path,
    "replace": Path,
    "unlink": Path,
    "write_text": Path,
    "to_json": folder,
    "report_as_markdown": folder,
}
"""What writing a report consists of, and where each step is."""


def leave(place: Path, at: float = 0.0, command: str = "release", error: str = "a bug") -> str:
    """Write a report that began so many seconds later, and return its JSON."""
    made = MadeUp(command=command, now=BEGAN + at)
    write(place, made.report(ExitCode.BUG, error))
    return (place / "report.json").read_text()


def killed_at(step: str, number: int, place: Path) -> bool:
    """Leave two reports, then a third one with a driver that dies before a step. Return False if it did not get there.

    The driver is a process of its own, and nothing in it runs after that step, as after SIGKILL.
    """
    leave(place, 0)
    leave(place, 1)
    driver = os.fork()
    if driver:
        return os.waitstatus_to_exitcode(os.waitpid(driver, 0)[1]) != 0
    with mock.patch.object(STEPS[step], step, _dies_at(number, getattr(STEPS[step], step))):
        leave(place, 2)
    os._exit(0)


def _dies_at(number: int, real: Callable[..., Any]) -> Callable[..., Any]:
    calls = iter(range(number + 1))

    def step(*args: Any, **kwargs: Any) -> Any:
        if next(calls, None) == number:
            os._exit(137)
        return real(*args, **kwargs)

    return step


if __name__ == "__main__":
    for name in STEPS:
        n = 0
        while killed_at(name, n, Path(sys.argv[1], f"{name}-{n}")):
            n += 1
