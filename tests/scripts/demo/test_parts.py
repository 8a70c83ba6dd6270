"""The parts of the demo."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text

from scripts.demo.children import Children, CommandError, Interrupts, stop
from scripts.demo.load import Answer, read_answer
from scripts.demo.screen import SQUARES, Screen, Strip


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("1.000 200 sampleapp-6d8f-abcde", Answer("stable", good=True)),
        ("1.000 500 sampleapp-6d8f-abcde\n", Answer("stable", good=False)),
        ("1.000 200 sampleapp-canary-6d8f-abcde", Answer("canary", good=True)),
        ("1.000 500 sampleapp-baseline-6d8f-abcde", Answer("baseline", good=False)),
        (
            "1.000 0 [Errno 111] Connection refused",
            Answer("", good=False, failure="[Errno 111] Connection refused"),
        ),
    ],
)
def test_a_line_of_answers_has_the_variant_that_answered_and_its_judgement(line: str, answer: Answer) -> None:
    assert read_answer(line) == answer


def text_of(strip: Strip, width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width, record=True)
    console.print(strip.draw(width))
    return console.export_text()


def test_the_strip_has_a_square_for_each_answer_of_a_variant_and_counts_them() -> None:
    strip = Strip()
    strip.add([Answer("canary", good=True), Answer("canary", good=False), Answer("stable", good=True)])
    assert text_of(strip).splitlines() == [
        "  stable   ■  100% good of 1 answer",
        "  canary   ■□   50% good of 2 answers",
    ]


def test_the_strip_shows_the_last_answers_and_counts_all() -> None:
    strip = Strip()
    strip.add([Answer("stable", good=False)] * 1000 + [Answer("stable", good=True)] * SQUARES)
    drawn = text_of(strip, 200)
    assert "□" not in drawn
    assert drawn.count("■") == SQUARES
    assert f"of {1000 + SQUARES:,} answers" in drawn


def test_a_failure_does_not_count_as_an_answer() -> None:
    strip = Strip()
    strip.add([Answer("", good=False, failure="refused")])
    assert text_of(strip).strip() == ""


def test_a_log_gets_unbroken_lines_and_a_strip_only_after_new_answers() -> None:
    file = io.StringIO()
    screen = Screen(Console(file=file, width=40))
    screen.line(Text("word " * 30))
    screen.settle()
    screen.answers([Answer("stable", good=True)])
    screen.settle()
    screen.settle()
    assert file.getvalue().splitlines() == ["  " + "word " * 30, "  stable   ■  100% good of 1 answer"]


def test_a_terminal_breaks_text_between_words_but_never_a_command() -> None:
    file = io.StringIO()
    screen = Screen(Console(file=file, width=20, force_terminal=True, color_system=None))
    screen.say("a sentence of several words")
    screen.command("canary release --image sampleapp:20")
    assert [line.rstrip() for line in file.getvalue().splitlines()] == [
        "a sentence of",
        "several words",
        "$ canary release --image sampleapp:20",
    ]


@pytest.fixture
def children(tmp_path: Path) -> Children:
    return Children(tmp_path, lambda *_: None, Interrupts())


def test_the_error_of_a_failed_command_has_its_output(children: Children) -> None:
    with pytest.raises(CommandError, match=r"^python3 -c .*: so it goes$"):
        children.run("python3", "-c", "import sys; sys.exit('so it goes')")


def test_the_error_of_a_missing_command_has_its_name(children: Children) -> None:
    with pytest.raises(CommandError, match="no-such-command is not installed"):
        children.start("no-such-command")


def test_commands_are_shown_unless_they_run_quietly(tmp_path: Path) -> None:
    shown: list[tuple[str, ...]] = []
    children = Children(tmp_path, lambda *words: shown.append(words), Interrupts())
    children.run("true")
    children.run("true", quietly=True)
    assert shown == [("true",)]


def test_loopback_addresses_bypass_the_proxy_as_do_those_that_did_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "internal.example")
    children = Children(tmp_path, lambda *_: None, Interrupts())
    assert children.environment["NO_PROXY"] == "internal.example,localhost,127.0.0.0/8,::1"


def test_a_process_that_ignores_sigterm_is_killed_with_its_children(children: Children) -> None:
    code = """
import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
child.wait()
"""
    process = children.start("python3", "-c", code, stdout=subprocess.PIPE)
    assert process.stdout
    grandchild = int(process.stdout.readline())
    assert stop(process, seconds=0.2) == -signal.SIGKILL
    while alive(grandchild):  # takes a moment on a busy machine; the test's timeout is the limit
        time.sleep(0.05)


def alive(pid: int) -> bool:
    """Return whether a process exists and is not a zombie that waits for init."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip() not in ("", "Z")


def test_a_process_that_handles_sigterm_ends_by_itself(children: Children) -> None:
    code = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
print("ready", flush=True)
while True:  # not Event.wait: an exception between its lock's release and its own try is a RuntimeError
    time.sleep(0.1)
"""
    process = children.start("python3", "-c", code, stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    assert stop(process) == 3


def test_commands_come_from_this_environment_first(children: Children) -> None:
    assert children.run("python3", "-c", "import sys; print(sys.prefix)").strip() == sys.prefix


@pytest.fixture
def interrupts() -> Iterator[Interrupts]:
    """Give interrupts that catch this process's signals, until the test ends."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    caught = Interrupts()
    caught.catch()
    yield caught
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def test_an_interrupt_waits_until_the_outermost_block_ends(interrupts: Interrupts) -> None:
    steps = []

    def step() -> None:
        with interrupts.held():
            with interrupts.held():
                signal.raise_signal(signal.SIGTERM)
            steps.append("finished")
        steps.append("went on")

    with pytest.raises(KeyboardInterrupt):
        step()
    assert steps == ["finished"]


def test_only_the_first_interrupt_counts(interrupts: Interrupts) -> None:
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)
    with interrupts.held():
        signal.raise_signal(signal.SIGHUP)


def test_nothing_disturbs_the_cleanup(interrupts: Interrupts) -> None:
    interrupts.ignore()
    signal.raise_signal(signal.SIGINT)
    with interrupts.held():
        signal.raise_signal(signal.SIGTERM)
