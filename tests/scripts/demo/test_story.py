"""The demo checks the cluster itself instead of trusting the driver: these drivers do something wrong."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from scripts.demo.children import Children, Interrupts
from scripts.demo.cluster import Pod, Seen
from scripts.demo.places import Localcluster
from scripts.demo.screen import Screen
from scripts.demo.story import Demo, WrongError

VERDICT = {
    "comparisons": [
        {"requests": {"baseline": 200, "canary": 100}, "good": {"baseline": 20, "canary": 20}},
    ]
}


def seen(image: str, *deployments: str, uid: str = "1", restarts: int = 0) -> Seen:
    """Return a cluster in which stable has one pod and runs an image."""
    pods = frozenset([Pod(uid, (image,), restarts)])
    return Seen(deployments or ("sampleapp",), image, pods, answering=0)


class Driver(Children):
    """Stands in for `canary`: prints some text and exits with a code."""

    code = 0
    output = json.dumps({"verdict": VERDICT})

    def start(self, *command: str, **pipes: Any) -> subprocess.Popen[str]:
        """Start a process that prints the text and exits with the code."""
        script = f"import sys; print({self.output!r}); sys.exit({self.code})"
        return super().start("python3", "-c", script, **pipes)


class Played(Demo):
    """The demo on a cluster in the states that the test gives: before a release, and after it."""

    looks: list[Seen]

    def look(self) -> Seen:
        """Return the next state."""
        return self.looks.pop(0)

    def start_load(self) -> None:
        """Send nothing."""


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Callable[..., Played]]:
    """Give a function that plays one release."""
    driver = Driver(tmp_path, lambda *_: None, Interrupts())

    def played(tag: str, expected: str, before: Seen, after: Seen, code: int, *, output: str = Driver.output) -> Played:
        driver.code, driver.output = code, output
        demo = Played(Localcluster(driver), Screen(Console(file=io.StringIO())), driver, tmp_path)
        demo.looks = [before, after]
        demo.release(tag, expected)
        return demo

    yield played
    driver.end()


OLD, NEW = "sampleapp:10", "sampleapp:20"


def test_a_promotion_that_the_cluster_confirms_is_recorded_with_its_numbers(play: Callable[..., Played]) -> None:
    (act,) = play(NEW, "promoted", seen(OLD), seen(NEW, uid="2"), 0).acts
    assert (act.image, act.outcome, act.requests, act.good, act.failures) == (
        NEW,
        "promoted",
        {"baseline": 200, "canary": 100},
        {"baseline": 20, "canary": 20},
        0,
    )


def test_a_rejection_that_the_cluster_confirms_is_recorded(play: Callable[..., Played]) -> None:
    (act,) = play("sampleapp:5", "rejected", seen(NEW), seen(NEW), 1).acts
    assert act.outcome == "rejected"


@pytest.mark.parametrize(
    ("after", "code", "what"),
    [
        (seen("sampleapp:5", uid="2"), 0, "should be rejected, but the result is: promoted"),
        (seen("sampleapp:5", uid="2"), 1, "should run only sampleapp:20"),
        (seen(NEW, "sampleapp", "sampleapp-canary"), 1, "only sampleapp should be left"),
        (seen(NEW, uid="2"), 1, "should neither replace nor restart stable's pods"),
        (seen(NEW, restarts=1), 1, "should neither replace nor restart stable's pods"),
        (seen(NEW), 4, "but the result is: exit code 4"),
    ],
)
def test_a_bad_version_must_be_rejected_and_stable_left_alone(
    play: Callable[..., Played], after: Seen, code: int, what: str
) -> None:
    with pytest.raises(WrongError, match=what):
        play("sampleapp:5", "rejected", seen(NEW), after, code)


@pytest.mark.parametrize(
    ("after", "code", "what"),
    [
        (seen(OLD), 0, "should run only sampleapp:20"),
        (seen(OLD), 1, "should be promoted, but the result is: rejected"),
        (seen(NEW, "sampleapp", "sampleapp-baseline"), 0, "only sampleapp should be left"),
        (Seen(("sampleapp",), NEW, frozenset([Pod("1", (OLD,), 0), Pod("2", (NEW,), 0)]), 2), 0, "only"),
        (Seen(("sampleapp",), NEW, frozenset(), 0), 0, "only"),
    ],
)
def test_a_good_version_must_be_promoted_and_run_everywhere(
    play: Callable[..., Played], after: Seen, code: int, what: str
) -> None:
    with pytest.raises(WrongError, match=what):
        play(NEW, "promoted", seen(OLD), after, code)


def test_a_driver_without_json_output_is_an_error(play: Callable[..., Played]) -> None:
    with pytest.raises(WrongError, match="should print JSON, not 'hm"):
        play(NEW, "promoted", seen(OLD), seen(NEW), 0, output="hm")


def test_a_version_is_a_copy_of_the_app_with_one_line_edited(play: Callable[..., Played], tmp_path: Path) -> None:
    demo = play(NEW, "promoted", seen(OLD), seen(NEW), 0)
    context = demo.version(20)
    original = (Path(__file__).parents[3] / "app" / "app.py").read_text().splitlines()
    edited = (context / "app.py").read_text().splitlines()
    assert [pair for pair in zip(original, edited, strict=True) if len(set(pair)) > 1] == [
        ("success_rate = 5", "success_rate = 20")
    ]
    assert context.parent == tmp_path
    assert (context / "Dockerfile").exists()


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (
            {"CLUSTER": "nowhere"},
            "demo: CLUSTER=nowhere is not known. Use localcluster or kind, or CONTEXT=NAME",
        ),
        (
            {"CONTEXT": "mine"},
            "demo: CONTEXT needs REGISTRY, which this machine can push to and the cluster can pull from",
        ),
    ],
)
def test_an_impossible_place_gives_one_line_and_exit_code_2(variables: dict[str, str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.demo"],
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "200", "PYTHONUTF8": "1", **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert (done.returncode, done.stdout.splitlines(), done.stderr) == (2, [said], "")
