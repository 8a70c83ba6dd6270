"""Which containers of a variant died, and what is said of a canary's."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from canary.errors import ClusterError, ForbiddenError, InputError, NotAnsweringError, TimedOutError
from canary.events import Answer, Judged, Note
from canary.observe.crashes import crashes
from canary.observe.deployments import images
from canary.verdict.comparison import Decision, Verdict
from tests.canary.cluster_simulator import died, unready
from tests.canary.story import Faulty, Person, Story, deployment, service

Object = dict[str, Any]
ENDED = {"terminated": {"reason": "Error", "exitCode": 1}}


def pod(**status: Any) -> Object:
    return {"metadata": {"name": "app-canary-1"}, "spec": {}, "status": {"phase": "Running", **status}}


def container(restarts: int = 0, **more: Any) -> Object:
    return {"name": "app", "restartCount": restarts, "state": {"running": {}}, **more}


@pytest.mark.parametrize(
    ("status", "reasons"),
    [
        ({"containerStatuses": [container()]}, []),
        ({"containerStatuses": [container(1, lastState=ENDED)]}, ["Error (exit code 1)"]),
        ({"containerStatuses": [container(state=ENDED)]}, ["Error (exit code 1)"]),
        ({"containerStatuses": [container(1)]}, ["ended"]),
        ({"initContainerStatuses": [container(state={"terminated": {"reason": "Completed", "exitCode": 0}})]}, []),
        ({"initContainerStatuses": [container(1, lastState=ENDED)]}, ["Error (exit code 1)"]),
        ({"phase": "Failed", "reason": "Evicted", "message": "low on memory"}, ["Evicted: low on memory"]),
        (
            {"containerStatuses": [container(2, state={"terminated": {"reason": "OOMKilled", "exitCode": 137}})]},
            ["OOMKilled (exit code 137)"],
        ),
    ],
)
def test_what_died_is_told_from_what_only_ended(status: Object, reasons: list[str]) -> None:
    assert [crash.reason for crash in crashes([pod(**status)])] == reasons


@pytest.mark.parametrize("error", [ForbiddenError("may not get pods/log"), NotAnsweringError("the node is silent")])
def test_a_log_that_cannot_be_read_keeps_nobody_from_telling_who_died(story: Story, error: ClusterError) -> None:
    story.stable(service(), deployment("app:1"))
    story.release(service(), deployment("app:2")).deploy()
    story.simulator.set_status(story.namespace, "app-canary", died("Error", 3))

    def fail(*_: Any, **__: Any) -> None:
        raise error

    verdict = story.release(names=("app",), cluster=Faulty(story.cluster, {"log": fail})).watch()
    assert verdict.decision is Decision.REJECT
    assert verdict.sentence.endswith("Error (exit code 3), none of the baseline's did")


def test_how_often_a_container_was_restarted_is_said_with_its_end_and_its_last_words(story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    story.release(service(), deployment("app:2")).deploy()
    story.simulator.set_status(story.namespace, "app-canary", died("Error", 3, restarts=4))
    story.simulator.logs["app-canary"] = "one\ntwo\nthree\nfour\n"
    verdict = story.release(names=("app",)).watch()
    assert "died, restarted 4 times: Error (exit code 3), none of the baseline's did" in verdict.sentence
    assert verdict.sentence.endswith("; its last lines: two | three | four")
    [workload] = story.release(names=("app",)).status().workloads
    assert (workload.verdict, workload.sentence) == ("REJECT", verdict.sentence)


def test_a_container_that_was_restarted_once_is_said_to_be(story: Story, tmp_path: Path) -> None:
    story.stable(service(), deployment("app:1"))
    story.release(service(), deployment("app:2")).deploy()
    story.simulator.set_status(story.namespace, "app-canary", died("Error", 3, restarts=1))
    verdict = story.release(names=("app",)).watch()
    assert "died, restarted once: Error (exit code 3)" in verdict.sentence
    story.release(names=("app",), evidence=str(tmp_path)).reject()
    [summary] = tmp_path.glob("*/summary.txt")
    assert "Error (exit code 3), restarted once\n" in summary.read_text()


def test_a_first_release_has_no_baseline_to_speak_of(story: Story) -> None:
    story.release(service(), deployment("app:1")).deploy()
    story.simulator.set_status(story.namespace, "app-canary", died("OOMKilled", 137))
    story.release(names=("app",)).watch()
    [judged] = story.heard(Judged)
    assert judged.verdict.decision is Decision.REJECT
    assert "OOMKilled (exit code 137)" in judged.verdict.sentence
    assert "baseline" not in judged.verdict.sentence


def test_a_canary_that_died_after_its_verdict_is_not_promoted_unless_on_purpose(story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    story.release(service(), deployment("app:2")).deploy()
    assert story.release(names=("app",)).watch().decision is Decision.PROMOTE
    story.simulator.set_status(story.namespace, "app-canary", died("OOMKilled", 137))

    with pytest.raises(InputError, match=r"OOMKilled \(exit code 137\).*canary reject app, or pass --unproven"):
        story.release(service(), deployment("app:2")).promote()

    assert images(story.deployment()) == ("app:1",)
    story.release(service(), deployment("app:2"), unproven=True).promote()
    assert images(story.deployment()) == ("app:2",)


def test_a_canary_that_dies_while_the_gate_waits_is_not_promoted(story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    ada = Person(promote=True)
    decide = ada.decide

    def late(verdict: Verdict, elsewhere: Any) -> Answer:
        story.simulator.set_status(story.namespace, "app-canary", died("OOMKilled", 137))
        return decide(verdict, elsewhere)

    ada.decide = late  # type: ignore[method-assign]
    with pytest.raises(InputError, match="OOMKilled"):
        story.release(service(), deployment("app:2"), gate=ada).run()
    assert images(story.deployment()) == ("app:1",)


def test_who_overrules_a_rejection_for_a_crash_has_seen_it(story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    story.release(service(), deployment("app:2")).deploy()
    story.simulator.set_status(story.namespace, "app-canary", died("Error", 1))
    outcome = story.release(service(), deployment("app:2"), gate=Person(promote=True)).run()
    assert outcome.promoted
    assert images(story.deployment()) == ("app:2",)


def test_an_apply_that_changes_nothing_says_how_to_replace_crashed_pods(story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    crash = died("Error", 1, restarts=3)
    story.simulator.set_status(story.namespace, "app-", lambda status: unready(crash(status)))
    with pytest.raises(TimedOutError):
        story.release(service(), deployment("app:1")).apply()
    [said] = [event.text for event in story.events if isinstance(event, Note)]
    assert said.startswith("Deployment app is unchanged, so its crashed pods stay as they are (pod app-")
    assert "Error (exit code 1)). If you built the image again under the same tag, start new pods: " in said
    assert said.endswith(f": kubectl rollout restart deployment/app -n {story.namespace}")


def test_an_apply_says_nothing_of_crashes_where_it_starts_new_pods_or_they_came_back(story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    story.simulator.set_status(story.namespace, "app-", died("Error", 1))
    story.release(service(), deployment("app:1")).apply()
    crash = died("Error", 1)
    story.simulator.set_status(story.namespace, "app-", lambda status: unready(crash(status)))
    with contextlib.suppress(TimedOutError):
        story.release(service(), deployment("app:2")).apply()
    assert not any(isinstance(event, Note) for event in story.events)
