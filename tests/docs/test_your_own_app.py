"""docs/your-own-app.md works as a person types it at a terminal: fork, replace the app, release two versions of it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.workshop.terminal import Terminal
from tests.template import IDENTITY, IS_FORK, committed_copy

PAGE = Path(__file__).parents[2] / "docs/your-own-app.md"
PROGRAMS = Path(sys.executable).parent
ENVIRONMENT = ("make venv", "source .venv/bin/activate")  # the tests run in it already
BLOCKS: list[tuple[str, str]] = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
PATIENCE = 100
"""Seconds that a command may take."""


class Reader:
    """A person who types the page line by line at a terminal."""

    def __init__(self, top: Path, terminal: Terminal) -> None:
        self.top = top
        self.printed: dict[str, str] = {}
        self._terminal = terminal
        self.type("set -m")  # job control, as in the shell of a person

    def follow(self) -> None:
        """Type all commands of the page, and write its files where their first line says."""
        for language, text in BLOCKS:
            name = text.partition("\n")[0].removeprefix("# ")
            if language == "sh":
                for line in text.splitlines():
                    self.type(line)
            elif name.startswith(("app/", "manifests/")):
                (self.top / name).write_text(text)

    def type(self, line: str) -> None:
        """Type a line, and wait for its end."""
        if line in ENVIRONMENT:
            return
        # The environment of the tests is complete. `make venv` would install another one.
        here = re.sub(r"^make fork ", f"make --old-file=venv PYTHON_BIN={PROGRAMS} fork ", line)
        self._terminal.start(here)
        ended = self._terminal.wait(PATIENCE)
        self.printed[line] = self._terminal.output
        assert ended, f"{line}: has not ended after {PATIENCE} s: {self._terminal.output}"
        assert self._terminal.exit_code == 0, f"{line}: {self._terminal.output}"

    def saw(self, beginning: str) -> str:
        """Return what the lines with this beginning have printed."""
        return "".join(text for line, text in self.printed.items() if line.startswith(beginning))


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """Give a person with a clone, at a terminal."""
    top = committed_copy(tmp_path / "clone")
    own = {
        "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
        "LOCALCLUSTER_HOME": str(tmp_path / "home"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }
    terminal = Terminal(top, os.environ | IDENTITY | own)
    reader = Reader(top, terminal)
    try:
        yield reader
    finally:
        terminal.start("kill -KILL $(jobs -p); localcluster down")
        terminal.wait(PATIENCE)
        terminal.close()


@pytest.mark.skipif(IS_FORK, reason="this repository is a fork already")
@pytest.mark.long
@pytest.mark.timeout(300)
def test_an_app_that_is_not_flask_comes_from_a_fork_to_a_promotion_and_a_rejection(reader: Reader) -> None:
    reader.follow()

    assert "The app is now shop, with the image registry.example/shop" in reader.saw("make fork")
    [expected] = [text for language, text in BLOCKS if language == "yaml" and text.startswith("# canary.yml\n")]
    assert set(expected.splitlines()[1:]) <= set((reader.top / "canary.yml").read_text().splitlines())
    doctor = reader.saw("canary doctor")
    assert [line for line in doctor.splitlines() if line.startswith(("warning", "failed"))] == []
    assert "releases are possible here" in doctor
    releases = reader.saw("canary release")
    assert "promoted shop: it now runs registry.example/shop:2" in releases
    assert "rejected shop: canary" in releases
    assert "exit code 1" in releases
    last = reader.saw("kubectl get deployments -o wide")
    assert "registry.example/shop:2" in last
    assert "shop-canary" not in last
    assert (reader.top / "locust.log").read_text().rstrip().count("failed") == 0
    reader.type("wait")  # for the load, which the page has ended
