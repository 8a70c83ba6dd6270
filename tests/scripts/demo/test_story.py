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
from scripts.demo.gateway import Route
from scripts.demo.load import Answer
from scripts.demo.places import Localcluster
from scripts.demo.screen import Screen
from scripts.demo.story import Demo, WrongError

BETTER: dict[str, Any] = {
    "decision": "PROMOTE",
    "comparisons": [
        {"requests": {"baseline": 200, "canary": 100}, "good": {"baseline": 20, "canary": 20}},
    ],
}
WORSE = BETTER | {"decision": "REJECT"}
UNDECIDED = BETTER | {"decision": "UNDECIDED"}


def seen(image: str, *deployments: str, uid: str = "1", restarts: int = 0) -> Seen:
    """Return a cluster in which stable has one pod and runs an image."""
    pods = frozenset([Pod(uid, (image,), restarts)])
    return Seen(deployments or ("sampleapp",), image, pods, answering=0)


class Driver(Children):
    """Stands in for `canary`: prints some text and exits with a code."""

    code = 0
    output = ""
    runs_until: Path | None = None

    def start(self, *command: str, **pipes: Any) -> subprocess.Popen[str]:
        """Start a process that prints the text and exits with the code, when a file exists if one is given."""
        waits = f"while not os.path.exists({str(self.runs_until)!r}): time.sleep(0.01)\n" if self.runs_until else ""
        script = f"import os, sys, time\n{waits}print({self.output!r}); sys.exit({self.code})"
        return super().start("python3", "-c", script, **pipes)


class Answers:
    """Stands in for the load: these variants have answered."""

    def __init__(self, *variants: str) -> None:
        self._answers = [Answer(one, good=True) for one in variants]

    def read(self) -> list[Answer]:
        """Return the answers."""
        return self._answers


class Played(Demo):
    """The demo on a cluster in the states that the test gives: before a release, and after it."""

    looks: list[Seen]

    def look(self) -> Seen:
        """Return the next state."""
        return self.looks.pop(0)


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Callable[..., Played]]:
    """Give a function that plays one release."""
    driver = Driver(tmp_path, lambda *_: None, Interrupts())

    def played(
        tag: str,
        expected: str,
        before: Seen,
        after: Seen,
        code: int,
        *,
        verdict: dict[str, Any] | None = None,
        output: str | None = None,
        asks: bool = False,
        answers: tuple[str, ...] = ("stable", "baseline", "canary"),
        gateway: Routes | None = None,
    ) -> Played:
        verdict = verdict or {"promoted": BETTER, "rejected": WORSE}[expected]
        driver.code, driver.output = code, json.dumps({"verdict": verdict}) if output is None else output
        screen = Screen(Console(file=io.StringIO(), width=120))
        demo = Played(Localcluster(driver), screen, driver, tmp_path, reports=tmp_path, asks=asks)
        demo.looks = [before, after]
        demo.gateway, driver.runs_until = gateway, gateway.shown if gateway else None
        demo.load = Answers(*answers)  # type: ignore[assignment]
        demo.release(tag, expected, "act")
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


@pytest.mark.parametrize("variant", ["canary", "baseline"])
def test_a_release_without_a_variant_that_answers_is_wrong(play: Callable[..., Played], variant: str) -> None:
    answers = tuple({"stable", "baseline", "canary"} - {variant})
    with pytest.raises(WrongError, match="clients should get answers from canary and baseline"):
        play("sampleapp:5", "rejected", seen(NEW), seen(NEW), 1, answers=answers)


def test_the_right_result_by_the_wrong_verdict_is_wrong(play: Callable[..., Played]) -> None:
    with pytest.raises(WrongError, match="the verdict should be REJECT, not UNDECIDED"):
        play("sampleapp:5", "rejected", seen(NEW), seen(NEW), 1, verdict=UNDECIDED)


@pytest.mark.parametrize(
    ("expected", "outcome", "verdict", "sentence"),
    [
        ("promoted", "promoted", BETTER, "The verdict (PROMOTE) would also have promoted it."),
        ("promoted", "rejected", BETTER, "The verdict (PROMOTE) would have promoted it."),
        ("rejected", "rejected", WORSE, "The verdict (REJECT) would also have rejected it."),
        ("rejected", "promoted", WORSE, "The verdict (REJECT) would have rejected it."),
        ("rejected", "rejected", UNDECIDED, "The verdict (UNDECIDED) would have waited for more requests."),
    ],
)
def test_a_person_may_decide_and_hears_what_the_verdict_would_have_led_to(
    play: Callable[..., Played], expected: str, outcome: str, verdict: Any, sentence: str
) -> None:
    after, code = {"promoted": (seen(NEW, uid="2"), 0), "rejected": (seen(OLD), 1)}[outcome]
    demo = play(NEW, expected, seen(OLD), after, code, verdict=verdict, asks=True)
    file = demo.screen.console.file
    assert isinstance(file, io.StringIO)
    assert f"You {outcome} it, and the cluster agrees. {sentence}" in file.getvalue()
    assert "--gate manual" in file.getvalue()


@pytest.mark.parametrize(
    ("after", "code", "verdict", "what"),
    [
        (seen(NEW, uid="2"), 1, BETTER, "stable should run only sampleapp:10"),
        (seen(OLD), 0, BETTER, "stable should run only sampleapp:20"),
        (seen(OLD), 4, BETTER, "should be promoted or rejected, but the result is: exit code 4"),
        (seen(OLD), 1, WORSE, "the verdict should be PROMOTE, not REJECT"),
    ],
)
def test_the_cluster_must_agree_with_what_a_person_decided(
    play: Callable[..., Played], after: Seen, code: int, verdict: Any, what: str
) -> None:
    with pytest.raises(WrongError, match=what):
        play(NEW, "promoted", seen(OLD), after, code, verdict=verdict, asks=True)


def route(*services: str, **weights: int) -> Route:
    """Return a route to Service sampleapp, or with the weights of Services of variants, and with Services beside."""
    backends = [{"name": f"sampleapp-{one}", "weight": weight} for one, weight in weights.items()]
    return Route({"spec": {"rules": [{"backendRefs": backends or [{"name": "sampleapp"}]}]}}, ("sampleapp", *services))


DIVIDED = route(stable=18, baseline=1, canary=1)
SHARED = ("stable",) * 18 + ("baseline", "canary")


class Routes:
    """Stands in for the Gateway: its route in the states that the test gives, the last one for ever.

    Attributes:
        shown: a file that is there when the last state was seen.
    """

    process: Any = None
    url = "http://127.0.0.1:1/"

    def __init__(self, shown: Path, *states: Route) -> None:
        self.shown, self._states = shown, list(states)

    def look(self) -> Route:
        """Return the next state."""
        if len(self._states) > 1:
            return self._states.pop(0)
        self.shown.touch()
        return self._states[0]

    def address(self) -> str | None:
        """Return no address."""


@pytest.fixture
def release(play: Callable[..., Played], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Played]:
    """Give a function that plays a release of a bad version with states of the route, which it sees at each look."""
    monkeypatch.setattr("scripts.demo.gateway.BETWEEN_LOOKS", 0)

    def released(*states: Route, answers: tuple[str, ...] = SHARED) -> Played:
        gateway = Routes(tmp_path / "shown", *states)
        return play("sampleapp:5", "rejected", seen(NEW), seen(NEW), 1, answers=answers, gateway=gateway)

    return released


def test_a_release_by_a_route_is_recorded_with_the_share_that_clients_saw(release: Callable[..., Played]) -> None:
    demo = release(route(), route(stable=1, baseline=0, canary=0), DIVIDED, DIVIDED, route())
    (act,) = demo.acts
    assert act.share == 0.05
    file = demo.screen.console.file
    assert isinstance(file, io.StringIO)
    assert "--traffic gateway --route sampleapp --percentage 5" in file.getvalue()
    assert (
        "→ HTTPRoute sampleapp sends requests: 90 % to sampleapp-stable, 5 % to sampleapp-baseline, 5 % to "
        "sampleapp-canary" in file.getvalue()
    )
    assert "→ HTTPRoute sampleapp sends requests: 100 % to sampleapp-stable\n" in file.getvalue()


@pytest.mark.parametrize(
    ("states", "answers", "what"),
    [
        ([route()], SHARED, r"the route should give the canary 5 % of the requests, not \[0.0\]"),
        ([route(), DIVIDED, route()], SHARED, "5 % of the answers should come from the canary, not 0.0 %"),
        (
            [route(), DIVIDED, DIVIDED, route()],
            ("stable",) * 4 + ("baseline", "canary"),
            "5 % of the answers should come from the canary, not 16.7 %",
        ),
        ([route(), DIVIDED, DIVIDED, DIVIDED], SHARED, "the route should be as before, not "),
        ([route(), DIVIDED, DIVIDED, route("sampleapp-stable")], SHARED, "no Services should be left, not "),
    ],
)
def test_a_route_must_give_the_share_and_be_as_before(
    release: Callable[..., Played], states: list[Route], answers: tuple[str, ...], what: str
) -> None:
    with pytest.raises(WrongError, match=what):
        release(*states, answers=answers)


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
        (
            {"TRAFFIC": "gateway", "CLUSTER": "kind"},
            "demo: TRAFFIC=gateway works on localcluster alone. On your cluster, follow docs/traffic.md",
        ),
        (
            {"TRAFFIC": "mesh"},
            "demo: TRAFFIC=mesh is not known. Use pods, or gateway to divide requests by an HTTPRoute",
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
