"""A promote that fails is taken back, and taking back goes on after whatever stops it."""

from __future__ import annotations

import contextlib
from itertools import count
from typing import Any

import pytest

from canary.errors import ClusterError, InputError, InterruptedReleaseError, PromoteError
from canary.events import Note, Undone, Written
from canary.objects import CONFIG_MAP, DEPLOYMENT, SECRET, SERVICE
from canary.observe.deployments import progress
from tests.canary.cluster_simulator import unready, waiting
from tests.canary.interruption import InterruptedAfter
from tests.canary.story import NEW, OLD, Faulty, Story, autoscaler, config_map, deployment, image_of


def broken(story: Story) -> None:
    """Let a release be deployed whose pods do not get ready any more once they are stable's."""
    story.release(*NEW).deploy()
    story.simulator.script["app:2"] = waiting("ErrImagePull", "gone meanwhile")


def test_a_new_image_that_never_gets_ready_leaves_everything_as_it_was(story: Story) -> None:
    story.stable(*OLD)
    was = story.contents()
    broken(story)
    with pytest.raises(PromoteError, match=r"undone: Deployment app: 0 of 4 pods.*ErrImagePull") as raised:
        story.release(*NEW).promote()
    assert raised.value.exit_code == 5
    assert story.contents() == was
    assert progress(story.deployment()).complete
    assert story.cluster.get(CONFIG_MAP, "app-before") is None
    assert story.cluster.get(SECRET, "app-before") is None
    assert [event.workload for event in story.heard(Undone)] == ["app"]


def test_a_quota_that_lets_no_pod_in_is_the_reason_and_is_undone(story: Story) -> None:
    patient: dict[str, Any] = {"strategy": {"rollingUpdate": {"maxUnavailable": 0}}}
    story.stable(deployment("app:1", **patient))
    was = story.contents()
    story.release(deployment("app:2", **patient)).deploy()
    story.simulator.refuse_pods(
        story.namespace, "exceeded quota: pods, requested: pods=1, used: pods=8, limited: pods=8"
    )
    with pytest.raises(PromoteError, match=r"undone: Deployment app: .*exceeded quota"):
        story.release(deployment("app:2", **patient)).promote()
    assert story.contents() == was
    assert story.names() == {"app", "app-baseline", "app-canary"}


def test_pods_that_do_not_come_back_are_waited_for_by_the_next_promote(story: Story) -> None:
    story.stable(*OLD)
    was = story.contents()
    story.release(*NEW).deploy()
    story.simulator.refuse_pods(
        story.namespace, "exceeded quota"
    )  # one of the old pods is gone when the first is refused
    with pytest.raises(PromoteError, match=r"put back as it was, but is not ready again \(Deployment app: 3 of 4 pods"):
        story.release(*NEW).promote()
    assert story.contents() == was

    story.simulator.act(story.simulator.registry.refusals.clear)
    with pytest.raises(PromoteError, match="undone"):
        story.release(*NEW).promote()
    assert progress(story.deployment()).complete


@pytest.mark.parametrize("refused", ["Service", "ConfigMap", "Secret", "Deployment"])
def test_a_write_that_is_refused_in_the_middle_is_undone(story: Story, refused: str) -> None:
    story.stable(*OLD)
    was = story.contents()
    story.release(*NEW).deploy()

    def forbid(*objects: dict[str, Any], dry_run: bool = False) -> None:
        if objects[-1]["kind"] == refused and not dry_run:
            raise ClusterError(f"apply {refused}: admission webhook says no")

    forbids: Any = {"apply": forbid, "apply_over": forbid}
    with pytest.raises(PromoteError, match=r"undone: .*webhook says no"):
        story.release(*NEW, cluster=Faulty(story.cluster, forbids)).promote()
    assert story.contents() == was


def test_a_first_release_leaves_no_stable_and_nothing_that_was_not_there(story: Story) -> None:
    story.release(config_map("fresh"), deployment("app:1")).deploy()
    story.cluster.delete(CONFIG_MAP, "fresh")
    story.simulator.script["app:1"] = unready
    with pytest.raises(PromoteError, match="undone"):
        story.release(config_map("fresh"), deployment("app:1")).promote()
    assert story.names() == {"app-canary"}
    assert story.cluster.get(CONFIG_MAP, "fresh") is None
    assert [event.detail for event in story.heard(Written)][-2:] == ["did not exist before"] * 2


def interrupted_undo(story: Story) -> None:
    """Let a promote fail, and stop its driver when it has begun to put back."""
    story.stable(*OLD)
    broken(story)

    def interrupt(obj: dict[str, Any]) -> None:
        if obj["kind"] == "Deployment":
            raise KeyboardInterrupt

    with pytest.raises(
        InterruptedReleaseError,
        match=r"while the promote was being undone .*ErrImagePull.*To finish the undo: canary promote",
    ):
        story.release(*NEW, cluster=Faulty(story.cluster, {"replace": interrupt})).promote()
    assert image_of(story.deployment()) == "app:2"
    story.simulator.script.clear()


@pytest.mark.parametrize("action", ["promote", "run"])
def test_an_interrupted_undo_is_finished_as_an_undo_with_the_reason_of_then(story: Story, action: str) -> None:
    interrupted_undo(story)
    with pytest.raises(PromoteError, match=r"promote failed and was undone: Deployment app: .*ErrImagePull"):
        getattr(story.release(*NEW), action)()
    assert image_of(story.deployment()) == "app:1"
    assert story.cluster.get(CONFIG_MAP, "app-before") is None

    story.release(*NEW).promote()
    assert image_of(story.deployment()) == "app:2"


def test_any_manifests_of_the_deployment_finish_an_undo(story: Story) -> None:
    interrupted_undo(story)
    with pytest.raises(PromoteError, match="undone"):
        story.release(deployment("app:3")).run()
    assert image_of(story.deployment()) == "app:1"
    assert (story.cluster.get(SERVICE, "app") or {})["spec"]["ports"][0]["port"] == 8080


def test_what_is_to_be_done_about_an_interrupted_undo_is_said_everywhere(story: Story) -> None:
    interrupted_undo(story)
    says = r"ErrImagePull.*its undo was interrupted\. To finish the undo: canary rollback app"
    with pytest.raises(InputError, match=says):
        story.release(deployment("app:3")).deploy()

    [status] = story.release(names=("app",)).status().workloads
    assert len(status.next) == 1
    assert status.next[0].startswith("finish the undo of a promote that failed (Deployment app: 0 of 4 pods")
    assert status.next[0].endswith(": canary rollback app")

    story.release(names=("app",)).reject()
    [warning] = [note.text for note in story.heard(Note) if note.warning and "undo" in note.text]
    assert "a promote of app failed (Deployment app: 0 of 4 pods" in warning
    with pytest.raises(PromoteError, match="undone"):
        story.release(*NEW).promote()
    assert image_of(story.deployment()) == "app:1"
    assert story.names() == {"app"}


def test_several_deployments_whose_undo_was_interrupted_are_all_put_back(story: Story) -> None:
    story.stable(deployment("app:1"), deployment("worker:1", name="worker"))
    new = (deployment("app:2"), deployment("worker:2", name="worker"))
    story.release(*new).deploy()
    story.simulator.script["worker:2"] = unready

    def interrupt(obj: dict[str, Any]) -> None:
        if obj["metadata"]["name"] == "worker":
            raise KeyboardInterrupt

    with pytest.raises(InterruptedReleaseError):
        story.release(*new, cluster=Faulty(story.cluster, {"replace": interrupt})).promote()
    with pytest.raises(PromoteError, match="undone"):
        story.release(*new).promote()
    images = [
        story.deployment(name)["spec"]["template"]["spec"]["containers"][0]["image"] for name in ("app", "worker")
    ]
    assert images == ["app:1", "worker:1"]
    assert story.cluster.find(CONFIG_MAP) == []


@pytest.mark.long
def test_a_driver_killed_after_any_write_of_its_undo_is_gone_on_from(story: Story) -> None:
    old, new = (
        (config_map(colour="red"), deployment("app:1", replicas=1)),
        (config_map(colour="blue"), deployment("app:2")),
    )
    for n in count(1):
        story.simulator.script.clear()
        story.stable(*old)
        story.release(*new, min_duration=0).deploy()
        story.simulator.script["app:2"] = unready
        doomed = InterruptedAfter(story.cluster, n)
        with contextlib.suppress(InterruptedReleaseError):
            with pytest.raises(PromoteError):
                story.release(*new, cluster=doomed).promote()
            break
        with pytest.raises(PromoteError, match=r"undone: Deployment app: 0 of 4 pods"):
            story.release(*new).promote()
        assert image_of(story.deployment()) == "app:1", f"killed after write {n}"
        assert (story.cluster.get(CONFIG_MAP, "settings") or {})["data"] == {"colour": "red"}, f"killed after write {n}"
        assert story.cluster.get(CONFIG_MAP, "app-before") is None, f"killed after write {n}"
        story.release(names=("app",)).reject()
    assert n > 8


def test_an_autoscaler_that_acts_just_before_the_deployment_is_put_back_is_not_overruled(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.cluster.create(autoscaler())
    story.release(deployment("app:2")).deploy()
    story.simulator.script["app:2"] = unready
    sizes = iter([6])

    def scale(obj: dict[str, Any]) -> None:
        if size := next(sizes, None):
            story.cluster.scale("app", size)

    with pytest.raises(PromoteError, match="undone"):
        story.release(deployment("app:2"), cluster=Faulty(story.cluster, {"update": scale})).promote()
    assert (image_of(story.deployment()), story.deployment()["spec"]["replicas"]) == ("app:1", 6)


def test_an_autoscaler_that_acts_just_before_promote_writes_is_not_overruled(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.cluster.create(autoscaler())
    story.release(deployment("app:2")).deploy()
    sizes = iter([6])

    def scale(*_: Any) -> None:
        if size := next(sizes, None):
            story.cluster.scale("app", size)

    story.release(deployment("app:2"), cluster=Faulty(story.cluster, {"apply_over": scale})).promote()
    assert (image_of(story.deployment()), story.deployment()["spec"]["replicas"]) == ("app:2", 6)


def test_what_could_not_be_undone_is_tried_again_by_the_next_promote(story: Story) -> None:
    story.stable(*OLD)
    broken(story)

    def away(obj: dict[str, Any]) -> None:
        raise ClusterError("the API server is gone")

    with pytest.raises(
        PromoteError, match=r"could not be undone \(the API server is gone\)\. To try again: canary promote"
    ):
        story.release(*NEW, cluster=Faulty(story.cluster, {"replace": away})).promote()
    with pytest.raises(PromoteError, match=r"was undone: Deployment app: .*ErrImagePull"):
        story.release(*NEW).promote()
    assert image_of(story.deployment()) == "app:1"
    assert story.cluster.find(DEPLOYMENT, labels={"app": "app"})
