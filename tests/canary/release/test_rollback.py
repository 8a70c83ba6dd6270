"""A rollback puts back what was before the last promote, and is itself undone where it fails."""

from __future__ import annotations

import contextlib
import random
from itertools import count
from typing import Any

import pytest

from canary.errors import ClusterError, ForbiddenError, InputError, InterruptedReleaseError, PromoteError
from canary.events import Note, Rejected, RolledBack, Undone
from canary.objects import CONFIG_MAP, DEPLOYMENT, SECRET
from canary.observe.deployments import progress
from canary.state.last_promote import PromoteState, read_last_promote
from tests.canary.cluster_simulator import unready, waiting
from tests.canary.interruption import InterruptedAfter, interrupt_promote
from tests.canary.story import NEW, OLD, Faulty, Story, autoscaler, config_map, deployment, image_of, secret


def release(story: Story, *objects: dict[str, Any]) -> None:
    """Deploy and promote."""
    story.release(*objects).deploy()
    story.release(*objects).promote()
    story.events.clear()


def rollback(story: Story, *names: str, **how: Any) -> None:
    story.release(names=names or ("app",), **how).rollback()


def state(story: Story, name: str = "app") -> PromoteState | None:
    found = read_last_promote(story.cluster, name)
    return found.state if found else None


def test_everything_that_a_promote_wrote_is_what_it_was_before(story: Story) -> None:
    story.stable(*OLD)
    was = story.contents()
    release(story, *NEW, config_map("fresh"))
    assert story.contents() != was

    rollback(story)

    assert story.contents() == was
    assert progress(story.deployment()).complete
    assert [event.images for event in story.heard(RolledBack)] == [("app:1",)]
    assert state(story) is PromoteState.ROLLED_BACK
    assert story.cluster.get(CONFIG_MAP, "app-rollback") is None
    story.until(lambda: story.cluster.get(SECRET, "app-rollback") is None)


def test_what_promote_itself_created_is_deleted_once_no_pod_needs_it(story: Story) -> None:
    story.stable(deployment("app:1"))
    new = (config_map("fresh"), deployment("app:2"))
    story.release(*new).deploy()
    story.cluster.delete(CONFIG_MAP, "fresh")
    story.release(*new).promote()
    seen = []

    def note(_kind: Any, name: str, **_: Any) -> None:
        if name == "fresh":
            seen.append(progress(story.deployment()).complete)

    rollback(story, cluster=Faulty(story.cluster, {"delete": note}))
    assert seen == [True]
    assert story.cluster.get(CONFIG_MAP, "fresh") is None


def test_an_interrupted_promote_is_rolled_back_also_when_its_variants_were_rejected(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    interrupt_promote(story)
    story.release(names=("app",)).reject()
    assert image_of(story.deployment()) == "app:2"
    assert any("To go back to the version before: canary rollback app" in note.text for note in story.heard(Note))

    rollback(story)

    assert image_of(story.deployment()) == "app:1"
    assert progress(story.deployment()).complete
    release(story, deployment("app:3"))
    assert image_of(story.deployment()) == "app:3"


def test_an_undo_that_was_interrupted_is_finished_by_a_rollback(story: Story) -> None:
    story.stable(*OLD)
    was = story.contents()
    story.release(*NEW).deploy()
    story.simulator.script["app:2"] = waiting("ErrImagePull")

    def interrupt(obj: dict[str, Any]) -> None:
        if obj["kind"] == "Deployment":
            raise KeyboardInterrupt

    with pytest.raises(InterruptedReleaseError):
        story.release(*NEW, cluster=Faulty(story.cluster, {"replace": interrupt})).promote()
    rollback(story)
    assert story.contents() == was


def test_a_second_rollback_changes_nothing_and_does_not_bring_the_promoted_version_back(story: Story) -> None:
    story.stable(deployment("app:1"))
    release(story, deployment("app:2"))
    rollback(story)
    version = story.deployment()["metadata"]["resourceVersion"]

    rollback(story)

    assert story.deployment()["metadata"]["resourceVersion"] == version
    assert any("app is already rolled back" in note.text for note in story.heard(Note))


def test_a_release_in_progress_is_rejected_once_stable_is_back(story: Story) -> None:
    story.stable(deployment("app:1"))
    release(story, deployment("app:2"))
    story.release(deployment("app:3")).deploy()

    rollback(story)

    assert story.names() == {"app"}
    assert image_of(story.deployment()) == "app:1"
    [rejected] = story.heard(Rejected)
    assert rejected.deleted == ("app-baseline", "app-canary")
    assert rejected.reason == "stable app was rolled back"


def test_a_first_release_has_nothing_to_go_back_to(story: Story) -> None:
    release(story, deployment("app:1"))
    with pytest.raises(InputError, match="its last promote was its first"):
        rollback(story)
    assert story.names() == {"app"}


def test_what_was_never_promoted_has_nothing_to_go_back_to(story: Story) -> None:
    story.stable(deployment("app:1"))
    with pytest.raises(InputError, match=r"no promote has saved .*kubectl rollout undo deployment/app"):
        rollback(story)


def test_what_is_to_be_rolled_back_is_not_guessed(story: Story) -> None:
    with pytest.raises(InputError, match="canary rollback NAME"):
        story.release().rollback()


def test_what_did_not_fit_is_told_at_promote_and_at_rollback(story: Story) -> None:
    noise = random.Random(1)  # of which compression makes nothing less
    old = [config_map(f"big-{n}", text=noise.randbytes(450_000).hex()) for n in range(3)]
    story.stable(*old, deployment("app:1"))
    new = (*old, deployment("app:2"))
    story.release(*new).deploy()
    story.release(*new).promote()
    assert any("this promote cannot be undone or rolled back" in note.text for note in story.heard(Note))
    assert image_of(story.deployment()) == "app:2"
    with pytest.raises(InputError, match=r"too large to save \(1\.\d MiB, more than the 1 MiB"):
        rollback(story)


def test_pods_that_stable_has_got_since_are_not_taken_away(story: Story) -> None:
    story.stable(deployment("app:1", replicas=4))
    release(story, deployment("app:2", replicas=2))
    rollback(story)
    assert (image_of(story.deployment()), story.deployment()["spec"]["replicas"]) == ("app:1", 4)

    release(story, deployment("app:3", replicas=4))
    story.cluster.scale("app", 7)
    rollback(story)
    assert (image_of(story.deployment()), story.deployment()["spec"]["replicas"]) == ("app:1", 7)


def test_replicas_that_an_autoscaler_sets_are_left_to_it(story: Story) -> None:
    story.stable(deployment("app:1", replicas=4))
    story.cluster.create(autoscaler())
    release(story, deployment("app:2"))
    story.cluster.scale("app", 2)
    rollback(story)
    assert (image_of(story.deployment()), story.deployment()["spec"]["replicas"]) == ("app:1", 2)


def test_a_rollback_that_does_not_get_ready_is_undone(story: Story) -> None:
    story.stable(*OLD)
    release(story, *NEW)
    was = story.contents()
    story.simulator.script["app:1"] = waiting("ErrImagePull", "gone meanwhile")

    with pytest.raises(PromoteError, match=r"rollback failed and was undone: Deployment app: .*ErrImagePull") as raised:
        rollback(story)

    assert raised.value.exit_code == 5
    assert story.contents() == was
    assert progress(story.deployment()).complete
    assert [event.workload for event in story.heard(Undone)] == ["app"]
    assert state(story) is PromoteState.DONE
    story.simulator.script.clear()
    rollback(story)
    assert image_of(story.deployment()) == "app:1"


def test_a_rollback_of_what_was_never_ready_is_undone_without_waiting_for_that(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    interrupt_promote(story)
    story.simulator.script["app:1"] = unready
    with pytest.raises(PromoteError, match="rollback failed and was undone"):
        rollback(story)
    assert (image_of(story.deployment()), state(story)) == ("app:2", PromoteState.PROMOTING)


def test_a_write_that_the_api_server_would_refuse_is_found_before_anything_is_written(story: Story) -> None:
    story.stable(*OLD)
    release(story, *NEW)
    was = story.contents()

    def refuse(obj: dict[str, Any], *, dry_run: bool = False) -> None:
        if obj["kind"] == "Deployment":
            raise InputError("replace Deployment app: no version 1 any more")

    with pytest.raises(InputError, match=r"could not put back Deployment app: .*no version 1"):
        rollback(story, cluster=Faulty(story.cluster, {"replace": refuse}))
    assert story.contents() == was
    assert state(story) is PromoteState.DONE


def test_an_account_that_may_not_write_stable_is_told_so_before_anything_is_written(story: Story) -> None:
    story.stable(deployment("app:1"))
    release(story, deployment("app:2"))

    class Deployer:
        def __getattr__(self, name: str) -> Any:
            return getattr(story.cluster, name)

        def may(self, verb: str, group: str, resource: str, name: str = "", **_: Any) -> bool:
            return (verb, resource, name) != ("update", "deployments", "app")

    with pytest.raises(ForbiddenError, match=r"may not update deployments\.apps app, which is needed to roll back"):
        rollback(story, cluster=Deployer())
    assert (image_of(story.deployment()), state(story)) == ("app:2", PromoteState.DONE)


def test_workloads_that_were_promoted_together_are_rolled_back_together(story: Story) -> None:
    story.stable(config_map(colour="red"), deployment("app:1"), deployment("worker:1", name="worker"))
    release(story, config_map(colour="blue"), deployment("app:2"), deployment("worker:2", name="worker"))
    with pytest.raises(InputError, match="canary rollback app worker"):
        rollback(story)

    rollback(story, "app", "worker")
    assert (image_of(story.deployment()), image_of(story.deployment("worker"))) == ("app:1", "worker:1")
    assert (story.cluster.get(CONFIG_MAP, "settings") or {})["data"] == {"colour": "red"}


def test_a_stable_that_was_deleted_is_made_again(story: Story) -> None:
    story.stable(deployment("app:1"))
    release(story, deployment("app:2"))
    story.cluster.delete(DEPLOYMENT, "app")
    rollback(story)
    assert image_of(story.deployment()) == "app:1"


def test_what_others_wrote_since_the_promote_is_warned_of(story: Story) -> None:
    story.stable(deployment("app:1"))
    release(story, deployment("app:2"))
    story.cluster.apply(deployment("app:hotfix"))
    rollback(story)
    assert image_of(story.deployment()) == "app:1"
    assert any(
        note.warning and "app runs app:hotfix now, and its last promote gave it app:2" in note.text
        for note in story.heard(Note)
    )


@pytest.mark.parametrize("action", ["deploy", "promote", "run"])
def test_no_release_goes_on_while_a_rollback_is_unfinished(story: Story, action: str) -> None:
    story.stable(deployment("app:1"))
    release(story, deployment("app:2"))
    interrupted(story)
    with pytest.raises(InputError, match=r"a rollback of app was interrupted. To finish it: canary rollback app"):
        getattr(story.release(deployment("app:3")), action)()
    [app] = story.release(names=("app",)).status().workloads
    assert app.next == ("finish the rollback that was interrupted: canary rollback app",)


def interrupted(story: Story) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    story.simulator.script["app:1"] = unready
    story.clock.after(2, interrupt)
    with pytest.raises(InterruptedReleaseError, match="To finish it: canary rollback app"):
        rollback(story)


def test_a_config_map_of_somebody_else_is_not_overwritten(story: Story) -> None:
    story.stable(deployment("app:1"))
    release(story, deployment("app:2"))
    theirs = story.cluster.create(config_map("app-rollback", recipe="soup"))
    with pytest.raises(InputError, match="ConfigMap app-rollback is not from canary"):
        rollback(story)
    assert story.cluster.get(CONFIG_MAP, "app-rollback") == theirs
    assert (image_of(story.deployment()), state(story)) == ("app:2", PromoteState.DONE)


@pytest.mark.long
def test_a_driver_killed_after_any_write_of_a_rollback_is_gone_on_from(story: Story) -> None:
    old = (config_map(colour="red"), secret(value="old"), deployment("app:1", replicas=1))
    new = (config_map(colour="blue"), secret(value="new"), deployment("app:2", replicas=1))
    other = (*new[:-1], deployment("app:3", replicas=1))
    story.stable(*old)
    for n in count(1):
        release(story, *new)
        story.release(*other).deploy()
        doomed = InterruptedAfter(story.cluster, n)
        with contextlib.suppress(InterruptedReleaseError):
            rollback(story, cluster=doomed)
        if doomed.left > 0:
            break
        rollback(story)
        assert (image_of(story.deployment()), story.names()) == ("app:1", {"app"}), f"killed after write {n}"
        assert (story.cluster.get(CONFIG_MAP, "settings") or {})["data"] == {"colour": "red"}, f"killed after write {n}"
        assert state(story) is PromoteState.ROLLED_BACK, f"killed after write {n}"
        assert story.cluster.get(CONFIG_MAP, "app-rollback") is None, f"killed after write {n}"
    assert n > 8


@pytest.mark.long
def test_a_driver_killed_after_any_write_of_a_rollback_s_undo_is_gone_on_from(story: Story) -> None:
    old = (config_map(colour="red"), deployment("app:1", replicas=1))
    new = (config_map(colour="blue"), deployment("app:2", replicas=1))
    story.stable(*old)
    release(story, *new)
    for n in count(1):
        story.simulator.script["app:1"] = unready
        doomed = InterruptedAfter(story.cluster, n)
        with contextlib.suppress(InterruptedReleaseError):
            with pytest.raises(PromoteError):
                rollback(story, cluster=doomed)
            break
        with pytest.raises(PromoteError, match="rollback failed and was undone"):
            rollback(story)
        assert (image_of(story.deployment()), state(story)) == ("app:2", PromoteState.DONE), f"killed after write {n}"
        assert (story.cluster.get(CONFIG_MAP, "settings") or {})["data"] == {"colour": "blue"}, (
            f"killed after write {n}"
        )
    assert n > 8


def test_status_shows_what_a_rollback_would_bring(story: Story) -> None:
    story.stable(deployment("app:1"))
    assert story.release(names=("app",)).status().workloads[0].rollback is None
    release(story, deployment("app:2"))
    [app] = story.release(names=("app",)).status().workloads
    assert app.rollback is not None
    assert app.rollback.images == ("app:1",)
    assert app.rollback.replaced
    assert app.rollback.command == "canary rollback app"
    rollback(story)
    assert story.release(names=("app",)).status().workloads[0].rollback is None


def test_an_undo_of_a_rollback_that_fails_says_where_things_are_kept(story: Story) -> None:
    story.stable(deployment("app:1"))
    release(story, deployment("app:2"))
    story.simulator.script["app:1"] = unready

    def away(obj: dict[str, Any], **_: Any) -> None:
        if obj["spec"]["template"]["spec"]["containers"][0]["image"] == "app:2":
            raise ClusterError("the API server is gone")

    with pytest.raises(PromoteError, match=r"could not be undone \(the API server is gone\).*ConfigMap app-rollback"):
        rollback(story, cluster=Faulty(story.cluster, {"replace": away}))
    with pytest.raises(PromoteError, match="rollback failed and was undone"):
        rollback(story)
    assert (image_of(story.deployment()), state(story)) == ("app:2", PromoteState.DONE)


def test_other_changes_of_the_pods_since_the_promote_are_warned_of_and_none_where_there_are_none(story: Story) -> None:
    def warned() -> list[str]:
        return [note.text for note in story.heard(Note) if "changed since its last promote" in note.text]

    story.stable(deployment("app:1"))
    release(story, deployment("app:2"))
    rollback(story)
    assert warned() == []

    release(story, deployment("app:2"))
    changed = deployment("app:2")
    changed["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 7
    story.cluster.apply(changed)
    story.simulator.settle()
    rollback(story)
    assert warned() == ["the pods of app were changed since its last promote: the rollback overwrites that"]
