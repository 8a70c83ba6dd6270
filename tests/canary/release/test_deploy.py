"""Variants next to stable, and what stands in their way."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from canary.errors import InputError, TimedOutError
from canary.events import Differs, Note, Waiting, Written
from canary.objects import DEPLOYMENT, SECRET, SERVICE, Kind
from tests.canary.cluster_simulator import ready, unready, unschedulable, waiting
from tests.canary.story import Story, config_map, deployment, service

CONFIG_MAP = Kind("v1", "ConfigMap")


def image(found: dict[str, Any]) -> str:
    return str(found["spec"]["template"]["spec"]["containers"][0]["image"])


def test_canary_is_the_incoming_object_and_baseline_the_live_one(story: Story) -> None:
    story.stable(deployment("app:1"))

    story.release(deployment("app:2")).deploy()

    assert story.names() == {"app", "app-canary", "app-baseline"}
    assert image(story.deployment("app-canary")) == "app:2"
    assert image(story.deployment("app-baseline")) == "app:1"
    assert image(story.deployment("app")) == "app:1"


def test_variants_are_sized_by_the_live_stable_and_not_by_the_manifest(story: Story) -> None:
    story.stable(deployment("app:1", replicas=4))
    story.cluster.scale("app", 8)
    story.release(deployment("app:1", replicas=8)).apply()

    story.release(deployment("app:2", replicas=4), steps=(25,)).deploy()

    assert story.deployment("app-canary")["spec"]["replicas"] == 2
    assert story.deployment("app-baseline")["spec"]["replicas"] == 2


def test_deploy_says_what_share_of_requests_the_canary_gets(story: Story) -> None:
    story.stable(deployment("app:1", replicas=4))
    story.release(deployment("app:2"), steps=(25,)).deploy()
    assert any("17 %" in note.text and "1 of 6 pods" in note.text for note in story.heard(Note))


def test_without_a_stable_there_is_a_canary_only_and_deploy_says_why(story: Story) -> None:
    story.release(deployment("app:1")).deploy()
    assert story.names() == {"app-canary"}
    assert any("no stable app" in note.text for note in story.heard(Note))


def test_objects_that_do_not_exist_are_created_before_the_pods_that_use_them(story: Story) -> None:
    story.release(deployment("app:1"), config_map(colour="red")).deploy()
    assert [event.name for event in story.heard(Written)] == ["settings", "app-canary"]
    assert (story.cluster.get(CONFIG_MAP, "settings") or {})["data"] == {"colour": "red"}


def test_an_existing_object_that_would_change_is_named_and_held(story: Story) -> None:
    story.stable(service(port=8080), deployment("app:1"))

    story.release(service(port=9090), deployment("app:2")).deploy()

    assert (story.cluster.get(SERVICE, "app") or {})["spec"]["ports"][0]["port"] == 8080
    [told] = story.heard(Differs)
    assert (told.kind, told.name, told.now) == ("Service", "app", False)


def test_an_existing_object_that_stays_as_it_is_is_not_mentioned(story: Story) -> None:
    story.stable(service(), config_map(colour="red"), deployment("app:1"))
    story.release(service(), config_map(colour="red"), deployment("app:2")).deploy()
    assert story.heard(Differs) == []


def test_the_same_release_again_goes_on_with_its_variants(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    uids = {name: story.deployment(name)["metadata"]["uid"] for name in ("app-canary", "app-baseline")}

    story.release(deployment("app:2")).deploy()

    assert {name: story.deployment(name)["metadata"]["uid"] for name in uids} == uids


def test_the_same_release_at_another_size_scales_its_variants(story: Story) -> None:
    story.stable(deployment("app:1", replicas=4))
    story.release(deployment("app:2"), steps=(25,)).deploy()
    uid = story.deployment("app-canary")["metadata"]["uid"]

    story.release(deployment("app:2"), steps=(75,)).deploy()

    assert story.deployment("app-canary")["spec"]["replicas"] == 3
    assert story.deployment("app-baseline")["spec"]["replicas"] == 3
    assert story.deployment("app-canary")["metadata"]["uid"] == uid


def test_a_driver_killed_between_two_variants_makes_the_other_one_later(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    story.cluster.delete(DEPLOYMENT, "app-baseline")

    story.release(deployment("app:2")).deploy()

    assert image(story.deployment("app-baseline")) == "app:1"


def test_another_release_in_progress_is_named_and_left_alone(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()

    with pytest.raises(InputError, match=r"app-canary has been running app:2 .*canary reject app"):
        story.release(deployment("app:3")).deploy()

    assert image(story.deployment("app-canary")) == "app:2"


def test_a_deployment_that_only_has_the_name_of_a_variant_is_left_alone(story: Story) -> None:
    story.stable(deployment("app:1"), deployment("other:1", name="app-canary"))
    with pytest.raises(InputError, match="app-canary is not a variant"):
        story.release(deployment("app:2")).deploy()


def test_a_baseline_of_an_older_stable_is_no_baseline(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    story.cluster.apply(deployment("app:0"))
    with pytest.raises(InputError, match=r"stable app has changed .*image"):
        story.release(deployment("app:2")).deploy()


def test_a_paused_stable_is_refused(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.cluster.apply(deployment("app:1", paused=True))
    with pytest.raises(InputError, match="app is paused"):
        story.release(deployment("app:2")).deploy()
    assert story.names() == {"app"}


def test_a_stable_in_the_middle_of_a_rollout_is_refused_with_its_reason(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.simulator.script["app:bad"] = waiting("ErrImagePull", "not found")
    story.cluster.apply(deployment("app:bad"))
    with pytest.raises(InputError, match=r"app is in the middle of a rollout"):
        story.release(deployment("app:2")).deploy()


def test_a_stable_that_is_not_fully_ready_is_refused(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.simulator.set_status(story.namespace, "app-", unready)
    with pytest.raises(InputError, match="app is not fully ready"):
        story.release(deployment("app:2")).deploy()


def test_a_refused_object_is_found_out_before_anything_is_written(story: Story) -> None:
    story.stable(deployment("app:1"))
    bad = deployment("app:2")
    bad["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"] = 99999
    with pytest.raises(InputError, match="containerPort"):
        story.release(config_map(colour="red"), bad).deploy()
    assert story.names() == {"app"}
    assert story.cluster.get(CONFIG_MAP, "settings") is None


TROUBLES = [
    pytest.param(waiting("ImagePullBackOff", "no such image"), r"ImagePullBackOff.*no such image", id="image pull"),
    pytest.param(
        waiting("CrashLoopBackOff", lastState={"terminated": {"reason": "Error", "exitCode": 3}}, restartCount=2),
        r"CrashLoopBackOff.*exit code 3.*restarted 2 times.*cannot open settings",
        id="crash loop",
    ),
    pytest.param(unschedulable, r"Unschedulable: 0/3 nodes fit", id="no node"),
]


@pytest.mark.parametrize(("trouble", "reason"), TROUBLES)
def test_what_holds_up_a_variant_is_named_with_its_pod(story: Story, trouble: Callable[..., Any], reason: str) -> None:
    story.stable(deployment("app:1"))
    story.simulator.script["app:2"] = trouble
    story.simulator.logs["app-canary"] = "starting\ncannot open settings\n"

    with pytest.raises(TimedOutError, match=rf"(?s)app-canary: 0 of 2 pods.*Pod app-canary-\S+: {reason}") as raised:
        story.release(deployment("app:2")).deploy()

    assert "canary reject app" in str(raised.value)
    assert story.names() == {"app", "app-canary", "app-baseline"}


def test_a_probe_that_goes_on_failing_is_named(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.simulator.script["app:2"] = unready
    message = "Readiness probe failed: HTTP probe failed with statuscode: 503"
    story.clock.after(5, lambda: story.simulator.warn(story.namespace, "app-canary", "Unhealthy", message, times=5))
    with pytest.raises(TimedOutError, match="statuscode: 503"):
        story.release(deployment("app:2")).deploy()


def test_a_probe_that_is_refused_brings_the_question_where_the_app_listens(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.simulator.script["app:2"] = unready
    message = 'Readiness probe failed: Get "http://10.0.0.7:80/": dial tcp 10.0.0.7:80: connect: connection refused'
    story.clock.after(5, lambda: story.simulator.warn(story.namespace, "app-canary", "Unhealthy", message, times=5))
    with pytest.raises(
        TimedOutError, match="does the app listen on that port of the pod's address, and not only on 127"
    ):
        story.release(deployment("app:2")).deploy()


def test_pods_that_the_cluster_does_not_admit_are_named(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.simulator.refuse_pods(story.namespace, "exceeded quota: pods=4")
    with pytest.raises(TimedOutError, match="exceeded quota"):
        story.release(deployment("app:2")).deploy()


def test_a_variant_deleted_while_it_is_waited_for_is_said(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.simulator.script["app:2"] = unready
    story.clock.after(2, lambda: story.cluster.delete(DEPLOYMENT, "app-canary"))
    with pytest.raises(InputError, match="app-canary was deleted"):
        story.release(deployment("app:2")).deploy()


def test_several_deployments_get_variants_each(story: Story) -> None:
    story.stable(deployment("app:1"), deployment("worker:1", name="worker"))
    story.release(deployment("app:2"), deployment("worker:2", name="worker")).deploy()
    assert story.names() == {"app", "app-canary", "app-baseline", "worker", "worker-canary", "worker-baseline"}


def test_the_plan_is_what_deploy_then_makes(story: Story) -> None:
    story.stable(deployment("app:1"))
    release = story.release(config_map(colour="red"), deployment("app:2"))

    planned = release.planned("deploy")
    assert story.names() == {"app"}
    release.deploy()

    assert [(obj["kind"], obj["metadata"]["name"]) for obj in planned] == [
        (event.kind, event.name) for event in story.heard(Written)
    ]


def test_a_canary_that_gets_ready_late_is_waited_for(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.simulator.script["app:2"] = unready
    story.clock.after(10, lambda: story.simulator.set_status(story.namespace, "app-canary", ready))
    status = story.release(deployment("app:2")).deploy()
    assert [(v.variant, v.ready) for v in status.workloads[0].variants] == [
        ("stable", 4),
        ("baseline", 2),
        ("canary", 2),
    ]


def test_a_missing_namespace_is_said(story: Story) -> None:
    nowhere = story.simulator.cluster("nowhere")
    with pytest.raises(InputError, match="nowhere"):
        story.release(deployment("app:1"), cluster=nowhere).deploy()
    nowhere.close()


def test_no_secret_of_a_promote_is_left_by_deploy(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    assert story.cluster.find(SECRET) == []


def test_an_image_that_does_not_come_is_one_hold_up_however_the_kubelet_calls_it(story: Story) -> None:
    story.stable(deployment("app:1"))
    pull, back_off = waiting("ErrImagePull", "not found"), waiting("ImagePullBackOff", "Back-off pulling image")
    story.simulator.script["app:2"] = pull
    for second, trouble in ((2, back_off), (4, pull), (6, back_off)):
        story.clock.after(second, partial(story.simulator.set_status, story.namespace, "app-canary", trouble))
    with pytest.raises(TimedOutError, match="ImagePullBackOff"):
        story.release(deployment("app:2")).deploy()
    [told] = [event for event in story.heard(Waiting) if event.name == "app-canary" and event.reason]
    assert "ErrImagePull" in told.reason
