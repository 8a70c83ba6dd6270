"""Stable becomes what the canary was, or stays what it is."""

from __future__ import annotations

from typing import Any

import pytest

from canary.errors import ClusterError, ForbiddenError, InputError, InterruptedReleaseError, PromoteError, TimedOutError
from canary.events import Judged, Note, Promoted, Undone, Written
from canary.marks import DIGEST, Variant, before_name
from canary.objects import CONFIG_MAP, DEPLOYMENT, LAST_APPLIED, SERVICE
from canary.observe.deployments import progress
from canary.state.last_promote import snapshots_before
from tests.canary.cluster_simulator import unready, waiting
from tests.canary.story import Faulty, Story, autoscaler, config_map, deployment, service


def image(found: dict[str, Any]) -> str:
    return str(found["spec"]["template"]["spec"]["containers"][0]["image"])


def test_promote_makes_stable_what_the_canary_was_and_deletes_the_variants(story: Story) -> None:
    story.stable(deployment("app:1"))
    uid = story.deployment()["metadata"]["uid"]
    story.release(deployment("app:2")).deploy()

    story.release(deployment("app:2")).promote()

    assert story.names() == {"app"}
    assert image(story.deployment()) == "app:2"
    assert story.deployment()["metadata"]["uid"] == uid
    assert story.deployment()["metadata"]["annotations"][LAST_APPLIED]
    [kept] = snapshots_before(story.cluster, "app")
    assert image(kept.object or {}) == "app:1"


def test_a_first_release_becomes_stable(story: Story) -> None:
    story.release(deployment("app:1", replicas=3)).deploy()
    story.release(deployment("app:1", replicas=3)).promote()
    assert story.names() == {"app"}
    assert story.deployment()["spec"]["replicas"] == 3


class Deployer:
    """A cluster as an account sees it that may do everything but write stable."""

    def __init__(self, story: Story, verb: str) -> None:
        self._cluster, self._verb = story.cluster, verb

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    def may(self, verb: str, group: str, resource: str, name: str = "", *, namespace: str | None = None) -> bool:
        return (verb, group, resource, name) != (self._verb, "apps", "deployments", "app")


@pytest.mark.parametrize("verb", ["patch", "update"])
def test_who_may_not_write_stable_or_put_it_back_leaves_nothing_half_promoted(story: Story, verb: str) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    version = story.deployment()["metadata"]["resourceVersion"]
    cluster: Any = Deployer(story, verb)

    with pytest.raises(ForbiddenError, match=rf"may not {verb} deployments.apps app, .*Nothing was changed"):
        story.release(deployment("app:2"), cluster=cluster).promote()

    assert story.cluster.get(CONFIG_MAP, before_name("app")) is None  # which would stand in the next release's way
    assert story.deployment()["metadata"]["resourceVersion"] == version
    assert story.names() == {"app", "app-baseline", "app-canary"}


def test_who_may_not_delete_stable_may_promote_where_there_is_one(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    cluster: Any = Deployer(story, "delete")
    story.release(deployment("app:2"), cluster=cluster).promote()
    assert image(story.deployment()) == "app:2"


def test_promote_again_changes_nothing(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    story.release(deployment("app:2")).promote()
    version = story.deployment()["metadata"]["resourceVersion"]
    story.events.clear()

    story.release(deployment("app:2")).promote()

    assert story.deployment()["metadata"]["resourceVersion"] == version
    assert [event.action for event in story.heard(Written)] == ["unchanged"]


def test_what_was_before_stays_kept_while_promotes_change_nothing(story: Story) -> None:
    story.stable(config_map(colour="red"), deployment("app:1"))
    new = (config_map(colour="blue"), deployment("app:2"))
    story.release(*new).deploy()
    story.release(*new).promote()

    story.release(*new).promote()
    story.release(*new).deploy()  # a pipeline that runs again releases the same once more
    story.release(*new).promote()

    assert story.names() == {"app"}
    settings, stable = snapshots_before(story.cluster, "app")
    assert ((settings.object or {})["data"], image(stable.object or {})) == ({"colour": "red"}, "app:1")


def test_a_promote_that_mends_what_others_changed_keeps_what_it_changes(story: Story) -> None:
    story.stable(config_map(colour="red"), deployment("app:1"))
    new = (config_map(colour="blue"), deployment("app:2"))
    story.release(*new).deploy()
    story.release(*new).promote()
    story.cluster.apply(config_map(colour="green"))

    story.release(*new).promote()

    settings, stable = snapshots_before(story.cluster, "app")
    assert ((settings.object or {})["data"], image(stable.object or {})) == ({"colour": "green"}, "app:2")


def test_what_no_canary_has_shown_is_refused(story: Story) -> None:
    story.stable(deployment("app:1"))
    with pytest.raises(InputError, match="--unproven"):
        story.release(deployment("app:2")).promote()
    assert image(story.deployment()) == "app:1"


def test_other_images_than_the_canary_s_are_refused_and_named(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    with pytest.raises(
        InputError, match=r"app-canary was deployed from other images or manifests \(app:2\) than .*app:3"
    ):
        story.release(deployment("app:3")).promote()
    assert image(story.deployment()) == "app:1"


def test_what_differs_from_the_canary_outside_of_the_image_is_refused_as_well(story: Story) -> None:
    story.stable(config_map(colour="red"), deployment("app:1"))
    story.release(config_map(colour="blue"), deployment("app:2")).deploy()
    with pytest.raises(InputError, match="other images or manifests"):
        story.release(config_map(colour="green"), deployment("app:2")).promote()


def test_unproven_is_promoted_when_it_must(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2"), unproven=True).promote()
    assert image(story.deployment()) == "app:2"


def test_a_canary_made_by_the_task_is_promoted_if_stable_becomes_the_same(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    story.cluster.annotate(DEPLOYMENT, "app-canary", {DIGEST: None})

    with pytest.raises(PromoteError, match=r"spec.containers\[app\].image"):
        story.release(deployment("app:3")).promote()
    assert image(story.deployment()) == "app:1"

    story.release(deployment("app:2")).promote()
    assert image(story.deployment()) == "app:2"
    assert any("not made by this driver" in note.text for note in story.heard(Note))


def test_a_field_that_another_manager_holds_on_to_is_found_out_before_anything_is_written(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    foreign = deployment("app:1")
    foreign["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "INJECTED", "value": "1"}]
    story.apply_as("injector", foreign)
    story.until(lambda: progress(story.deployment()).complete)

    with pytest.raises(PromoteError, match=r"env"):
        story.release(deployment("app:2"), overwrite_stable=True).promote()

    assert image(story.deployment()) == "app:1"
    assert story.names() == {"app", "app-canary", "app-baseline"}


def test_other_objects_objects_are_written_by_promote(story: Story) -> None:
    story.stable(service(port=8080), config_map(colour="red"), deployment("app:1"))
    new = (service(port=9090), config_map(colour="blue"), deployment("app:2"))
    story.release(*new).deploy()
    story.release(*new).promote()
    assert (story.cluster.get(SERVICE, "app") or {})["spec"]["ports"][0]["port"] == 9090
    assert (story.cluster.get(CONFIG_MAP, "settings") or {})["data"] == {"colour": "blue"}


@pytest.mark.parametrize(("manifest", "live", "autoscaled", "expected"), [
    pytest.param(4, 7, False, 4, id="the manifest's"),
    pytest.param(4, 7, True, 7, id="the live number where an autoscaler sets it"),
    pytest.param(None, 7, False, 7, id="the live number where the manifest does not say"),
])  # fmt: skip
def test_replicas_of_stable_are(story: Story, manifest: int | None, live: int, autoscaled: bool, expected: int) -> None:
    story.stable(deployment("app:1", replicas=live))
    if autoscaled:
        story.cluster.create(autoscaler())
    story.release(deployment("app:2", replicas=manifest)).deploy()
    story.release(deployment("app:2", replicas=manifest)).promote()
    assert story.deployment()["spec"]["replicas"] == expected


def test_a_rollout_that_does_not_get_ready_is_undone_with_everything_that_was_written(story: Story) -> None:
    story.stable(service(port=8080), config_map(colour="red"), deployment("app:1"))
    before = story.deployment()
    new = (service(port=9090), config_map(colour="blue"), config_map("fresh", a="1"), deployment("app:2"))
    story.release(*new).deploy()
    story.cluster.delete(CONFIG_MAP, "fresh")
    story.simulator.script["app:2"] = waiting("ErrImagePull", "gone meanwhile")

    with pytest.raises(
        PromoteError, match=r"undone: Deployment app: 0 of 4 pods.*ErrImagePull.*gone meanwhile"
    ) as raised:
        story.release(*new).promote()

    assert raised.value.exit_code == 5
    after = story.deployment()
    assert after["spec"] == before["spec"]
    assert after["metadata"]["annotations"][LAST_APPLIED] == before["metadata"]["annotations"][LAST_APPLIED]
    assert (story.cluster.get(SERVICE, "app") or {})["spec"]["ports"][0]["port"] == 8080
    assert (story.cluster.get(CONFIG_MAP, "settings") or {})["data"] == {"colour": "red"}
    assert story.cluster.get(CONFIG_MAP, "fresh") is None
    assert story.names() == {"app", "app-canary", "app-baseline"}
    assert story.cluster.get(CONFIG_MAP, "app-before") is None
    assert [event.workload for event in story.heard(Undone)] == ["app"]


def test_a_first_release_that_does_not_get_ready_leaves_no_stable(story: Story) -> None:
    story.release(deployment("app:1")).deploy()
    story.simulator.script["app:1"] = unready
    with pytest.raises(PromoteError, match="undone"):
        story.release(deployment("app:1")).promote()
    assert story.names() == {"app-canary"}


def test_a_write_that_the_cluster_refuses_is_undone(story: Story) -> None:
    story.stable(config_map(colour="red"), deployment("app:1"))
    new = (config_map(colour="blue"), deployment("app:2"))
    story.release(*new).deploy()

    def forbid(*_: Any) -> None:
        raise ClusterError("apply Deployment app: admission webhook says no")

    with pytest.raises(PromoteError, match=r"undone: .*webhook says no"):
        story.release(*new, cluster=Faulty(story.cluster, {"apply_over": forbid})).promote()

    assert (story.cluster.get(CONFIG_MAP, "settings") or {})["data"] == {"colour": "red"}
    assert image(story.deployment()) == "app:1"


def test_replicas_that_an_autoscaler_set_meanwhile_are_left_alone_by_undo(story: Story) -> None:
    story.stable(deployment("app:1", replicas=4))
    story.cluster.create(autoscaler())
    story.release(deployment("app:2")).deploy()
    story.simulator.script["app:2"] = unready
    story.clock.after(5, lambda: story.cluster.scale("app", 6))
    with pytest.raises(PromoteError, match="undone"):
        story.release(deployment("app:2")).promote()
    assert story.deployment()["spec"]["replicas"] == 6
    assert image(story.deployment()) == "app:1"


def test_a_tag_that_was_pushed_again_is_caught_and_undone(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    story.simulator.image_ids["app:2"] = "sha256:something-else"
    with pytest.raises(PromoteError, match="pushed again"):
        story.release(deployment("app:2")).promote()
    assert image(story.deployment()) == "app:1"


def test_an_undo_that_fails_says_where_the_old_state_is_kept(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    story.simulator.script["app:2"] = unready

    def refuse(*_: Any) -> None:
        raise ClusterError("the API server is gone")

    with pytest.raises(PromoteError, match=r"could not be undone .*app-before"):
        story.release(deployment("app:2"), cluster=Faulty(story.cluster, {"replace": refuse})).promote()
    assert story.cluster.get(CONFIG_MAP, before_name("app")) is not None


def test_an_interrupted_promote_is_finished_by_the_next_and_undo_still_knows_the_beginning(story: Story) -> None:
    story.stable(deployment("app:1"))
    before = story.deployment()["spec"]
    story.release(deployment("app:2")).deploy()
    story.simulator.script["app:2"] = unready

    def interrupt() -> None:
        raise KeyboardInterrupt

    story.clock.after(3, interrupt)
    with pytest.raises(InterruptedReleaseError, match="canary promote"):
        story.release(deployment("app:2")).promote()
    assert image(story.deployment()) == "app:2"
    assert story.release(names=("app",)).status().workloads[0].next[0].startswith("finish the promote that was")

    with pytest.raises(PromoteError, match="undone"):
        story.release(deployment("app:2")).promote()
    assert story.deployment()["spec"] == before

    story.simulator.script.clear()
    story.release(deployment("app:2")).promote()
    assert image(story.deployment()) == "app:2"
    assert story.names() == {"app"}


def test_several_deployments_are_promoted_and_undone_together(story: Story) -> None:
    story.stable(deployment("app:1"), deployment("worker:1", name="worker"))
    new = (deployment("app:2"), deployment("worker:2", name="worker"))
    story.release(*new).deploy()
    story.simulator.script["worker:2"] = unready
    with pytest.raises(PromoteError, match="worker"):
        story.release(*new).promote()
    assert (image(story.deployment("app")), image(story.deployment("worker"))) == ("app:1", "worker:1")

    story.simulator.script.clear()
    story.release(*new).promote()
    assert (image(story.deployment("app")), image(story.deployment("worker"))) == ("app:2", "worker:2")
    assert [event.workload for event in story.heard(Promoted)] == ["app", "worker"]
    assert story.names() == {"app", "worker"}


def test_the_plan_of_promote_is_what_it_writes(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    [planned] = story.release(deployment("app:2")).planned("promote")
    assert planned["metadata"]["name"] == "app"
    assert image(planned) == "app:2"
    assert image(story.deployment()) == "app:1"


def test_a_canary_whose_verdict_is_reject_is_not_promoted(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    story.counts.good[Variant.CANARY] = 0.1
    verdict = story.release(names=("app",)).watch()

    with pytest.raises(InputError) as refused:
        story.release(deployment("app:2")).promote()
    assert str(refused.value) == (
        f"the verdict on app-canary is REJECT: {verdict.sentence}; to end the release: canary reject app, "
        "or pass --unproven to promote it anyway"
    )
    assert image(story.deployment()) == "app:1"

    story.release(deployment("app:2"), unproven=True).promote()
    assert image(story.deployment()) == "app:2"


def test_promoting_what_nobody_has_compared_is_said(story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    story.release(deployment("app:2")).promote()
    [warning] = [note for note in story.heard(Note) if note.warning]
    assert warning.text == "promoting app-canary without a PROMOTE verdict, as you asked: nothing was compared"


def test_promoting_what_is_undecided_is_said_with_the_verdict(story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    story.counts.each = 1
    with pytest.raises(TimedOutError):
        story.release(names=("app",), max_duration=5).watch()
    sentence = story.heard(Judged)[-1].verdict.sentence
    story.release(deployment("app:2")).promote()
    [warning] = [note for note in story.heard(Note) if note.warning]
    assert (
        warning.text
        == f"promoting app-canary without a PROMOTE verdict, as you asked: the verdict was UNDECIDED ({sentence})"
    )


def test_promoting_what_the_verdict_promotes_needs_no_word(story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    story.release(names=("app",)).watch()
    story.release(deployment("app:2")).promote()
    assert not [note for note in story.heard(Note) if note.warning]
