"""A person at the terminal turns a verdict into an action."""

from __future__ import annotations

import io
import os
import pty
from collections.abc import Iterator
from typing import TextIO

import pytest

from canary.errors import InputError, InterruptedReleaseError
from canary.events import Decided, KeepsWatching
from canary.gate.terminal import TerminalGate
from canary.verdict.comparison import Decision, Verdict
from canary.verdict.evidence import Evidence
from canary.verdict.rule import combine, compare


def nobody() -> None:
    """Say that nobody has decided elsewhere."""


WORSE = combine([compare(Evidence(900, 1000), Evidence(500, 1000), tolerance=0.05)])
BETTER = combine([compare(Evidence(500, 1000), Evidence(900, 1000), tolerance=0.05)])
UNCLEAR = combine([compare(Evidence(9, 10), Evidence(9, 10), tolerance=0.05)])
FIRST = Verdict(Decision.UNDECIDED, (), "nothing to compare with: there is no stable yet")


class Keyboard:
    """A terminal, and the person who types at it."""

    def __init__(self) -> None:
        self.person, terminal = pty.openpty()
        self.terminal: TextIO = os.fdopen(terminal, "r", encoding="utf-8")
        self.screen = io.StringIO()

    def type(self, keys: bytes) -> None:
        os.write(self.person, keys)

    def gate(self) -> TerminalGate:
        return TerminalGate(self.terminal, self.screen, "robin", "app")


@pytest.fixture
def keyboard() -> Iterator[Keyboard]:
    made = Keyboard()
    yield made
    made.terminal.close()
    os.close(made.person)


@pytest.mark.parametrize(
    ("keys", "promote"), [(b"p\n", True), (b"promote\n", True), (b" P \n", True), (b"r\n", False), (b"Reject\n", False)]
)
def test_a_person_is_shown_the_verdict_and_decides(keyboard: Keyboard, keys: bytes, promote: bool) -> None:
    keyboard.type(keys)
    assert keyboard.gate().decide(BETTER, nobody) == Decided(promote=promote, by="robin")
    assert keyboard.screen.getvalue() == "the verdict is PROMOTE: promote, reject or keep watching? [p/r/w] "


def test_a_person_sees_that_a_first_release_has_nothing_to_compare(keyboard: Keyboard) -> None:
    keyboard.type(b"p\n")
    assert keyboard.gate().decide(FIRST, nobody) == Decided(promote=True, by="robin")
    assert keyboard.screen.getvalue() == "there is nothing to compare: promote, reject or keep watching? [p/r/w] "


def test_another_answer_gets_the_list_of_keys_and_is_asked_again(keyboard: Keyboard) -> None:
    keyboard.type(b"\nyes\np\n")
    assert keyboard.gate().decide(UNCLEAR, nobody) == Decided(promote=True, by="robin")
    asks, keys = (
        "the verdict is UNDECIDED: promote, reject or keep watching? [p/r/w] ",
        "p promotes, r rejects, w keeps",
    )
    assert keyboard.screen.getvalue().count(asks) == 3
    assert keyboard.screen.getvalue().count(keys) == 2


@pytest.mark.parametrize("keys", [b"w\n", b"watch\n"])
def test_a_person_may_keep_watching(keyboard: Keyboard, keys: bytes) -> None:
    keyboard.type(keys)
    assert keyboard.gate().decide(WORSE, nobody) == KeepsWatching("robin")


def test_a_promote_against_the_verdict_needs_the_name_of_the_release(keyboard: Keyboard) -> None:
    keyboard.type(b"p\napp\n")
    assert keyboard.gate().decide(WORSE, nobody) == Decided(promote=True, by="robin")
    assert keyboard.screen.getvalue() == (
        "the verdict is REJECT: promote, reject or keep watching? [p/r/w] "
        "This promotes against the verdict, and stable records that. To confirm, type the name of the release (app): "
    )


def test_another_name_promotes_nothing_against_the_verdict(keyboard: Keyboard) -> None:
    keyboard.type(b"p\np\nr\n")
    assert keyboard.gate().decide(WORSE, nobody) == Decided(promote=False, by="robin")
    assert "'p' is not app: nothing is decided yet" in keyboard.screen.getvalue()


def test_no_answer_leaves_everything_as_it_is(keyboard: Keyboard) -> None:
    keyboard.type(b"\x04")  # Ctrl-D
    with pytest.raises(InterruptedReleaseError):
        keyboard.gate().decide(BETTER, nobody)


def test_the_gate_refuses_input_that_is_not_a_terminal() -> None:
    with pytest.raises(InputError) as error:
        TerminalGate(io.StringIO("p\n"), io.StringIO(), "robin", "app")
    assert str(error.value) == (
        "--gate terminal: stdin is not a terminal, so nobody can answer; pass --gate auto with a --tolerance, "
        "or run canary deploy and canary watch, then canary promote or canary reject"
    )
