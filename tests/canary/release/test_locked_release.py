"""A release and its lock: who takes it, who is told, and what becomes of one that is broken."""

from __future__ import annotations

from typing import Any

import pytest

from canary.cli import render
from canary.errors import ForbiddenError, InterruptedReleaseError, LockedError, LockLostError
from canary.objects import CONFIG_MAP
from canary.state.last_promote import undo_reason, unfinished_digest
from tests.canary.cluster_simulator import unready
from tests.canary.drivers import ADA, BOB, Entered, guarded, lease, lock
from tests.canary.story import Faulty, Story, config_map, deployment


def test_a_promote_whose_lock_is_broken_leaves_everything_to_the_other_driver(story: Story) -> None:
    story.stable(config_map(colour="red"), deployment("app:1"))
    new = (config_map(colour="blue"), deployment("app:2"))
    story.release(*new).deploy()
    story.simulator.script["app:2"] = unready
    first = lock(story)
    others = Entered(lock(story, BOB, break_lock=True), story)
    story.clock.after(3, others.enter)

    with pytest.raises(LockLostError, match=r"bob@build-7, process 2 took the lock"):
        story.release(*new, lock=first, cluster=guarded(story, first)).promote()

    assert (story.cluster.get(CONFIG_MAP, "settings") or {})["data"] == {"colour": "blue"}
    assert unfinished_digest(story.cluster, "app") is not None
    others.leave()


def test_an_undo_whose_lock_is_broken_is_left_to_the_other_driver(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    story.simulator.script["app:2"] = unready
    first = lock(story)
    others = Entered(lock(story, BOB, break_lock=True), story)

    def breaks(*_: Any) -> None:
        others.enter()

    cluster: Any = Faulty(guarded(story, first), {"replace": breaks})
    with pytest.raises(LockLostError, match=r"bob@build-7, process 2 took the lock"):
        story.release(deployment("app:2"), lock=first, cluster=cluster).promote()
    assert undo_reason(story.cluster, "app")
    others.leave()


def test_a_watch_whose_lock_is_broken_says_nothing_of_going_on(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    first = lock(story)
    others = Entered(lock(story, BOB, break_lock=True), story)
    story.clock.after(3, others.enter)
    with pytest.raises(InterruptedReleaseError) as lost:
        story.release(names=("app",), lock=first, cluster=guarded(story, first)).watch()
    assert str(lost.value).endswith("this driver stops here and leaves the release as it is")
    others.leave()


@pytest.mark.parametrize("action", ["run", "deploy", "promote", "watch", "reject"])
def test_every_action_that_writes_takes_it(story: Story, action: str) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    with lock(story, BOB).held(["app"], story.events.append), pytest.raises(LockedError, match="bob@build-7"):
        getattr(story.release(deployment("app:2"), lock=lock(story)), action)()
    assert story.names() == {"app", "app-canary", "app-baseline"}


def test_a_release_holds_it_from_beginning_to_end_and_leaves_none(story: Story) -> None:
    story.stable(deployment("app:1"))
    holders = set()

    class Asks:
        def decide(self, *_: Any) -> Any:
            holders.add(lease(story)["spec"]["holderIdentity"])
            raise KeyboardInterrupt

    with pytest.raises(InterruptedReleaseError):
        story.release(deployment("app:2"), lock=lock(story), gate=Asks()).run()
    assert holders == {ADA.name}
    assert "holderIdentity" not in lease(story)["spec"]
    assert story.release(deployment("app:2"), lock=lock(story, BOB)).run().promoted
    assert lease(story) is None


def forbid(kind: Any, *_: Any, **__: Any) -> None:
    if (kind["kind"] if isinstance(kind, dict) else kind.kind) == "Lease":
        raise ForbiddenError('leases is forbidden: User "ada" cannot …', "get leases.coordination.k8s.io")


@pytest.mark.parametrize("verb", ["get", "create"])
def test_who_may_not_hold_it_is_told_so_before_anything_is_done(story: Story, verb: str) -> None:
    lacking = Faulty(story.cluster, {verb: forbid})
    with pytest.raises(ForbiddenError, match="leases is forbidden") as refused:
        story.release(deployment("app:1"), lock=lock(story, cluster=lacking)).deploy()
    assert refused.value.exit_code == 3
    assert story.names() == set()


def test_who_may_not_see_it_is_told_so_by_status(story: Story) -> None:
    story.stable(deployment("app:1"))
    lacking = Faulty(story.cluster, {"get": forbid})
    [status] = story.release(names=("app",), cluster=lacking).status().workloads
    assert status.driver is None
    assert status.unknown == ('it is not known whether a driver works on it: leases is forbidden: User "ada" cannot …',)
    assert "  it is not known whether a driver" in render.status_as_text(
        story.release(names=("app",), cluster=lacking).status()
    )


def test_status_shows_who_works(story: Story) -> None:
    story.stable(deployment("app:1"))
    [status] = story.release(names=("app",)).status().workloads
    assert status.driver is None
    with lock(story).held(["app"], story.events.append):
        [status] = story.release(names=("app",)).status().workloads
        assert status.driver is not None
        assert status.driver.name == ADA.name


def test_an_interruption_while_it_waits_for_the_lock_says_that_nothing_was_changed(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()

    def ctrl_c() -> None:
        raise KeyboardInterrupt

    with lock(story, BOB).held(["app"], story.events.append):
        story.clock.after(3, ctrl_c)
        with pytest.raises(InterruptedReleaseError) as interrupted:
            story.release(deployment("app:2"), lock=lock(story, patience=60)).promote()
    assert str(interrupted.value) == "interrupted before promote: nothing was changed"
