"""What `canary doctor` says about pods that start or end badly, and about an image that runs already."""

from __future__ import annotations

from typing import Any

import pytest

from canary.doctor.template import check_template
from tests.canary.doctor_checks import about, examined
from tests.canary.story import Story, deployment, service

SLEEP = {"lifecycle": {"preStop": {"sleep": {"seconds": 5}}}}
PROBE = {"readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}}}


def said(container: dict[str, Any], **pod: Any) -> dict[str, tuple[str, str]]:
    """Return outcome and text of each check of a Deployment whose only container has these fields."""
    manifest = deployment()
    template = manifest["spec"]["template"]["spec"]
    template["containers"][0] |= container
    template |= pod
    return {one.subject: (str(one.outcome), f"{one.text}: {one.advice}") for one in check_template("app", manifest)}


def test_a_pod_without_a_readiness_probe_gets_requests_too_early() -> None:
    assert said(PROBE)["readiness"][0] == "ok"
    outcome, text = said({"livenessProbe": PROBE["readinessProbe"]})["readiness"]
    assert outcome == "warning"
    assert "add a readinessProbe; otherwise the first requests to a canary fail, and count against it" in text


def test_a_pause_before_sigterm_is_missed_where_there_is_none() -> None:
    assert said(SLEEP, terminationGracePeriodSeconds=20)["shutdown"] == (
        "ok",
        "pods of app pause before SIGTERM, and have 20 s in all to end: ",
    )
    outcome, text = said({})["shutdown"]
    assert outcome == "warning"
    assert "add lifecycle.preStop.sleep of 5 seconds, unless the app goes on answering that long" in text


def test_a_grace_period_of_0_kills_pods_without_sigterm() -> None:
    outcome, text = said(SLEEP, terminationGracePeriodSeconds=0)["shutdown"]
    assert outcome == "warning"
    assert "killed without SIGTERM" in text


@pytest.mark.parametrize(
    ("command", "is_shell"),
    [
        (["sh", "-c", "python3 app.py"], False),  # sh gives its process to the one command
        (["sh", "-c", "cd /srv && python3 app.py"], True),
        (["sh", "-c", "python3 app.py; true", "sh", "argument"], True),
        (["/bin/bash", "-c", "export A=1\npython3 app.py"], True),
        (["sh", "-c", "exec python3 app.py"], False),
        (["sh", "-c", "export A=1\nexec python3 app.py"], False),
        (["sh", "start.sh"], False),  # what is in the file is not known
        (["python3", "app.py"], False),
    ],
)
def test_a_shell_as_process_1_keeps_sigterm_from_the_app(command: list[str], is_shell: bool) -> None:
    _, text = said({**SLEEP, "command": command})["shutdown"]
    assert ("a shell does not pass SIGTERM on" in text) == is_shell


def test_manifests_with_the_image_that_runs_already_are_pointed_out(story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    same, new, live = (
        about(examined(story, "app", manifests=manifests), "images")
        for manifests in ([deployment("app:1")], [deployment("app:2")], [])
    )
    assert same[0][0] == "warning"
    assert "the manifests have the image that app runs already: app:1: give each build a new tag" in same[0][1]
    assert [outcome for outcome, _ in (*new, *live)] == ["ok", "ok"]
