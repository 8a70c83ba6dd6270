"""A lock is renewed while its driver works, and each write checks it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from canary.errors import (
    ClusterError,
    ForbiddenError,
    LockLostError,
)
from canary.kube.cluster import Cluster
from canary.kube.transport import CONNECT_TIMEOUT, READ_TIMEOUT
from canary.objects import CONFIG_MAP, LEASE
from canary.state.lease import DURATION, read_holder
from canary.state.lock import LONGEST_ATTEMPT
from e2e.faulty_proxy import FaultyProxy
from tests.canary.drivers import ADA, BOB, Entered, guarded, lease, lock
from tests.canary.proxied import transport_through
from tests.canary.story import Faulty, Story, config_map


def renewed_at(story: Story) -> float:
    """Return when the lock was last renewed, by its holder's clock."""
    there = read_holder(story.cluster, "app")
    assert there is not None
    return there.renewed


def test_it_is_renewed_while_the_driver_waits_and_the_canary_s_life_with_it(story: Story) -> None:
    seen: list[str] = []
    twice = threading.Event()

    def alongside(_: Any, name: str) -> None:
        seen.append(name)
        if len(seen) >= 2:
            twice.set()

    with lock(story, renew_every=0.01, alongside=alongside).held(["app"], story.events.append):
        story.clock.time += 1000
        assert twice.wait(30)
        story.until(lambda: renewed_at(story) == story.clock.now())
    assert set(seen) == {"app"}
    assert not [thread for thread in threading.enumerate() if thread.name == "canary-lock"]


def test_nothing_is_renewed_any_more_once_it_is_given_back(story: Story) -> None:
    renewing, ends = threading.Event(), threading.Event()
    done: list[str] = []

    def alongside(_: Any, name: str) -> None:
        renewing.set()
        ends.wait(30)
        done.append(name)

    with lock(story, renew_every=0.01, alongside=alongside).held(["app"], story.events.append):
        assert renewing.wait(30)
        threading.Timer(0.2, ends.set).start()
    assert done == ["app"]


def test_a_renewal_that_fails_is_tried_again_and_nothing_is_said(
    story: Story, capfd: pytest.CaptureFixture[str]
) -> None:
    failed = threading.Event()
    left = iter(range(3))

    def away(*_: Any, **__: Any) -> None:
        if next(left, None) is not None:
            failed.set()
            raise ClusterError("cannot reach the API server")

    @contextmanager
    def again() -> Iterator[Any]:
        own = story.simulator.cluster(story.namespace)
        yield Faulty(own, {"update": away})
        own.close()

    with lock(story, renew_every=0.01, background=again).held(["app"], story.events.append):
        assert failed.wait(30)
        story.clock.time += 1000
        story.until(lambda: renewed_at(story) == story.clock.now())
    assert story.events == []
    assert capfd.readouterr() == ("", "")


def test_a_lock_that_could_not_be_renewed_for_long_is_renewed_before_the_next_write(story: Story) -> None:
    first = lock(story)
    cluster = guarded(story, first)
    with first.held(["app"], story.events.append):
        story.clock.time += 120  # away, and nobody took it
        cluster.create(config_map("one"))
        assert renewed_at(story) == story.clock.now()
        before = lease(story)["metadata"]["resourceVersion"]
        cluster.create(config_map("two"))
        assert lease(story)["metadata"]["resourceVersion"] == before  # it holds for long enough


def test_nobody_can_take_it_over_while_a_write_that_was_checked_is_on_its_way(story: Story) -> None:
    first = lock(story)
    with first.held(["app"], story.events.append):
        story.clock.time += DURATION - LONGEST_ATTEMPT
        first.check()
        assert renewed_at(story) == story.clock.now()
    assert CONNECT_TIMEOUT + READ_TIMEOUT <= LONGEST_ATTEMPT


def test_who_may_not_renew_it_writes_nothing(story: Story) -> None:
    def forbid(*_: Any) -> None:
        raise ForbiddenError("leases is forbidden", "update leases")

    faults: dict[str, Callable[..., None]] = {}
    first = lock(story, cluster=Faulty(story.cluster, faults))
    cluster = guarded(story, first)
    with first.held(["app"], story.events.append):
        story.clock.time += 120
        faults["update"] = forbid
        with pytest.raises(ForbiddenError):
            cluster.create(config_map("one"))
        faults.clear()
    assert story.cluster.get(CONFIG_MAP, "one") is None


def test_while_one_lock_is_waited_for_those_that_are_held_are_renewed(story: Story) -> None:
    others = Entered(lock(story, BOB), story, "worker")
    others.enter()
    renewed = threading.Event()

    def alongside(_: Any, name: str) -> None:
        if name == "app":
            renewed.set()

    def leave() -> None:
        assert renewed.wait(30)
        others.leave()

    story.clock.after(20, leave)
    both = lock(story, patience=90, renew_every=0.01, alongside=alongside)
    with both.held(["worker", "app"], story.events.append):
        assert {found["spec"]["holderIdentity"] for found in story.cluster.find(LEASE)} == {ADA.name}


def test_a_write_is_checked_again_before_each_attempt(story: Story) -> None:
    """The first attempt finds the API server away; until the second, another driver has taken the lock."""
    proxy = FaultyProxy(story.simulator.url)
    first = lock(story)
    transport = transport_through(story, proxy)
    cluster = Cluster(transport, story.namespace, before_write=first.check)
    others = Entered(lock(story, BOB, break_lock=True), story)
    cluster.get(CONFIG_MAP, "one")
    with first.held(["app"], story.events.append):
        proxy.cut()
        story.clock.after(50, others.enter)
        story.clock.after(52, proxy.mend)
        with pytest.raises(LockLostError, match=r"bob@build-7, process 2 took the lock"):
            cluster.create(config_map("one"))
    assert story.cluster.get(CONFIG_MAP, "one") is None
    others.leave()
    transport.close()
    proxy.close()
