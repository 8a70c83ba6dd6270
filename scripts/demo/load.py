"""Locust in the background, and the answers to its requests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.demo.children import CommandError, stop

if TYPE_CHECKING:
    from scripts.demo.children import Children

LOCUSTFILE = Path(__file__).parents[2] / "loadtest" / "locustfile.py"
USERS = 20


@dataclass(frozen=True)
class Answer:
    """The answer to one request.

    Attributes:
        variant: stable, baseline or canary; empty for a failure.
        good: whether the app calls the answer good.
        failure: why the app did not answer; empty if it did.
    """

    variant: str
    good: bool
    failure: str = ""


def read_answer(line: str) -> Answer:
    """Return the answer in a line of the locustfile's `--answers`: time, status, and the pod's name or the error."""
    _, status, who = line.rstrip("\n").split(" ", 2)
    if status == "0":
        return Answer("", good=False, failure=who)
    variant = next((one for one in ("baseline", "canary") if who.startswith(f"sampleapp-{one}-")), "stable")
    return Answer(variant, good=status == "200")


class Load:
    """A running Locust."""

    def __init__(self, children: Children, folder: Path, url: str, rate: float, *, keep_alive: bool = False) -> None:
        """Send `rate` requests a second to a URL until `end`, on new connections or on a few that stay open."""
        answers, self._statistics = folder / "answers", folder / "statistics.json"
        answers.touch()
        self._file = answers.open()
        self._process = children.start(
            *("locust", "--headless", "--locustfile", str(LOCUSTFILE), "--host", url),
            *("--users", str(USERS), "--spawn-rate", str(USERS), "--rate", str(rate / USERS)),
            *("--answers", str(answers), "--json-file", str(folder / "statistics")),
            *("--only-summary", "--exit-code-on-error", "0"),
            *(("--keep-alive",) if keep_alive else ()),
        )
        self._log = children.log
        self._rest = ""

    def read(self) -> list[Answer]:
        """Return the answers since the last call.

        Raises:
            CommandError: Locust has ended, although nobody stopped it.
        """
        if (code := self._process.poll()) is not None:
            raise CommandError(f"locust ended with exit code {code}: {self._log.read_text()}")
        *lines, self._rest = (self._rest + self._file.read()).split("\n")
        return [read_answer(line) for line in lines]

    def end(self) -> tuple[int, int]:
        """Stop sending and wait for the last answers; returns how many requests and failures Locust counted."""
        self._file.close()
        stop(self._process)
        entries = json.loads(self._statistics.read_text())
        return sum(each["num_requests"] for each in entries), sum(each["num_failures"] for each in entries)
