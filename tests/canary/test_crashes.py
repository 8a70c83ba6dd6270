"""Which containers of a variant died, and what is said of a canary's."""

from __future__ import annotations

from typing import Any

import pytest

from canary.crashes import crashes
from canary.events import Judged
from canary.verdict import Decision
from tests.canary.ghosts import died
from tests.canary.story import Story, deployment, service

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
        ({"phase": "Failed", "reason": "Evicted", "message": "low on memory"}, ["Evicted low on memory"]),
        (
            {"containerStatuses": [container(2, state={"terminated": {"reason": "OOMKilled", "exitCode": 137}})]},
            ["OOMKilled (exit code 137)"],
        ),
    ],
)
def test_what_died_is_told_from_what_only_ended(status: Object, reasons: list[str]) -> None:
    assert [crash.reason for crash in crashes([pod(**status)])] == reasons


def test_how_often_a_container_was_restarted_is_said_with_its_end_and_its_last_words(story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    story.release(service(), deployment("app:2")).deploy()
    story.ghosts.haunt(story.namespace, "app-canary", died("Error", 3, restarts=4))
    story.ghosts.logs["app-canary"] = "one\ntwo\nthree\nfour\n"
    verdict = story.release(names=("app",)).watch()
    assert "died, was restarted 4 times: Error (exit code 3), none of the baseline's did" in verdict.sentence
    assert verdict.sentence.endswith("; its last lines: two | three | four")
    [workload] = story.release(names=("app",)).status().workloads
    assert (workload.verdict, workload.sentence) == ("REJECT", verdict.sentence)


def test_a_first_release_has_no_baseline_to_speak_of(story: Story) -> None:
    story.release(service(), deployment("app:1")).deploy()
    story.ghosts.haunt(story.namespace, "app-canary", died("OOMKilled", 137))
    story.release(names=("app",)).watch()
    [judged] = story.heard(Judged)
    assert judged.verdict.decision is Decision.REJECT
    assert "OOMKilled (exit code 137)" in judged.verdict.sentence
    assert "baseline" not in judged.verdict.sentence
