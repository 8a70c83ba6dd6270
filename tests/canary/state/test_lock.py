"""Of two drivers one works, and the other says who does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from canary.errors import (
    ClusterError,
    InputError,
    LockedError,
    LockLostError,
    TimedOutError,
)
from canary.events import Note
from canary.kube.cluster import Cluster
from canary.objects import CONFIG_MAP, DEPLOYMENT, LEASE
from canary.settings.settings import Settings
from canary.state.lease import DURATION, read_holder
from e2e.faulty_proxy import FaultyProxy
from tests.canary.drivers import ADA, BOB, Driver, Entered, guarded, lease, lock
from tests.canary.proxied import transport_through
from tests.canary.story import Faulty, Story, config_map, deployment


def test_who_works_is_named_and_what_can_be_done(story: Story) -> None:
    story.clock.time = 1_750_000_000.0
    with lock(story).held(["app"], story.events.append):
        story.clock.time += 12
        with pytest.raises(LockedError) as refused, lock(story, BOB).held(["app"], story.events.append):
            pytest.fail("it works")
        assert refused.value.exit_code == 2
        assert str(refused.value) == (
            "ada@laptop, process 1 has held the lock on app since 2025-06-15 15:06:40 UTC and last renewed it at "
            "2025-06-15 15:06:40 UTC. It may be gone: to find out, wait 60 s (--lock-timeout), or pass --break-lock to "
            "stop it and take the release over"
        )
        assert lease(story)["spec"] == {
            "holderIdentity": "ada@laptop, process 1",
            "leaseDurationSeconds": 60,
            "acquireTime": "2025-06-15T15:06:40.000000Z",
            "renewTime": "2025-06-15T15:06:40.000000Z",
            "leaseTransitions": 0,
        }
        seen = read_holder(story.cluster, "app")
        assert seen is not None
        assert (seen.name, seen.since, seen.renewed) == ("ada@laptop, process 1", 1_750_000_000.0, 1_750_000_000.0)
    assert story.events == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, InputError("no"), None])
def test_it_is_given_back_however_the_work_ends_and_stays_while_there_are_variants(story: Story, error: Any) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    try:
        with lock(story).held(["app"], story.events.append):
            if error:
                raise error
    except (KeyboardInterrupt, InputError):
        pass
    assert "holderIdentity" not in lease(story)["spec"]
    assert read_holder(story.cluster, "app") is None
    with lock(story, BOB).held(["app"], story.events.append):
        assert lease(story)["spec"]["leaseTransitions"] == 1
    assert not [note for note in story.heard(Note) if "lock" in note.text]  # nothing is said of one that nobody had


def test_it_goes_with_the_variants_when_another_tool_deletes_them_but_not_from_under_who_holds_it(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    with lock(story).held(["app"], story.events.append):
        pass
    with lock(story, BOB).held(["app"], story.events.append):
        for name in ("app-canary", "app-baseline"):
            story.cluster.delete(DEPLOYMENT, name)
        story.simulator.settle()
        assert lease(story)["spec"]["holderIdentity"] == BOB.name
    story.release(deployment("app:2")).deploy()
    with lock(story).held(["app"], story.events.append):
        pass
    assert lease(story) is not None
    for name in ("app-canary", "app-baseline"):
        story.cluster.delete(DEPLOYMENT, name)
    story.simulator.settle()
    assert lease(story) is None


def test_nothing_is_left_of_it_where_no_release_is_in_progress(story: Story) -> None:
    with lock(story).held(["worker", "app"], story.events.append):
        assert {found["metadata"]["name"] for found in story.cluster.find(LEASE)} == {"app-canary", "worker-canary"}
    assert story.cluster.find(LEASE) == []


@pytest.mark.parametrize("their_clock", [-3600, 0, 3600])
def test_who_is_not_seen_to_renew_it_for_a_minute_loses_it_whatever_its_clock_says(
    story: Story, their_clock: float
) -> None:
    story.clock.time += their_clock
    gone = Entered(lock(story), story)
    gone.enter()
    story.clock.time += 10_000 - their_clock
    began = story.clock.now()
    with lock(story, BOB, patience=65).held(["app"], story.events.append):
        assert lease(story)["spec"]["holderIdentity"] == BOB.name
        assert story.clock.now() - began == pytest.approx(DURATION, abs=2)
    waiting, taken = story.heard(Note)
    assert waiting.text.startswith(
        "waiting up to 65 s for the lock on app: ada@laptop, process 1 has held the lock on app since 2001-09-09 "
    )
    assert (taken.text, taken.warning) == (
        "taking over the lock on app from ada@laptop, process 1, which did not renew it for 60 s",
        False,
    )
    gone.leave()


def test_who_renews_it_keeps_it_and_the_other_is_told_that_it_is_at_work(story: Story) -> None:
    def renew() -> None:
        story.clock.after(15, renew)
        found = lease(story)
        found["spec"]["renewTime"] = "2001-01-01T00:00:00.000000Z"  # its clock stands still
        found["spec"]["leaseTransitions"] += 1
        story.cluster.update(found)

    works = Entered(lock(story), story)
    works.enter()
    renew()
    began = story.clock.now()
    with (
        pytest.raises(LockedError, match=r"It renewed the lock just now, so it is at work: wait until it is done"),
        lock(story, BOB, patience=200).held(["app"], story.events.append),
    ):
        pytest.fail("both work")
    assert story.clock.now() - began == pytest.approx(200, abs=2)
    works.leave()


def test_the_default_patience_takes_over_from_who_is_gone(story: Story) -> None:
    gone = Entered(lock(story), story)
    gone.enter()
    with lock(story, BOB, patience=Settings().lock_timeout).held(["app"], story.events.append):
        assert lease(story)["spec"]["holderIdentity"] == BOB.name
    gone.leave()


def test_time_in_which_the_api_server_is_away_does_not_count_against_who_holds_it(story: Story) -> None:
    """Nobody could renew it then."""

    class Away:
        """A cluster that was away for a while."""

        away = 0.0

        def __getattr__(self, name: str) -> Any:
            return getattr(story.cluster, name)

    cluster = Away()

    def outage() -> None:
        story.clock.time += 1000
        cluster.away += 1000

    works = Entered(lock(story), story)
    works.enter()
    story.clock.after(5, outage)
    began = story.clock.now()
    with lock(story, BOB, cluster=cluster, patience=65).held(["app"], story.events.append):
        assert story.clock.now() - began == pytest.approx(1000 + DURATION, abs=2)
    works.leave()


def test_a_process_of_this_machine_that_runs_no_more_loses_it_at_once(story: Story) -> None:
    bob = Driver("bob", gone=ADA.mark)
    with lock(story).held(["app"], story.events.append), lock(story, bob).held(["app"], story.events.append):
        assert lease(story)["spec"]["holderIdentity"] == "bob"
    [note] = story.heard(Note)
    assert note.text == "taking over the lock on app from ada@laptop, process 1, which is no longer running"


def test_who_has_patience_waits_for_it_and_says_so_once(story: Story) -> None:
    works = Entered(lock(story, BOB), story)
    works.enter()
    story.clock.after(20, works.leave)
    with lock(story, patience=90).held(["app"], story.events.append):
        assert lease(story)["spec"]["holderIdentity"] == ADA.name
    [note] = story.heard(Note)
    assert note.text.startswith(
        "waiting up to 90 s for the lock on app: bob@build-7, process 2 has held the lock on app"
    )


def test_patience_ends(story: Story) -> None:
    works = Entered(lock(story, BOB), story)
    works.enter()
    began = story.clock.now()
    with pytest.raises(LockedError), lock(story, patience=30).held(["app"], story.events.append):
        pass
    assert story.clock.now() - began == pytest.approx(30, abs=2)
    works.leave()


def test_breaking_it_stops_who_held_it_before_its_next_write(story: Story) -> None:
    first = lock(story)
    cluster = guarded(story, first)
    with first.held(["app"], story.events.append):
        cluster.create(config_map("one"))
        with lock(story, BOB, break_lock=True).held(["app"], story.events.append):
            with pytest.raises(LockLostError) as lost:
                cluster.create(config_map("two"))
            assert lost.value.exit_code == 130
            assert str(lost.value).startswith("bob@build-7, process 2 took the lock on app at 2001-09-09 01:48")
            assert cluster.create(config_map("two"), dry_run=True)
            for write in (
                lambda: cluster.delete(CONFIG_MAP, "one"),
                lambda: cluster.annotate(CONFIG_MAP, "one", {"a": "b"}),
                lambda: cluster.apply(config_map("one", a="b")),
                lambda: cluster.replace(config_map("one", a="b")),
                lambda: cluster.scale("app", 1),
            ):
                with pytest.raises(LockLostError):
                    write()
    assert [found["metadata"]["name"] for found in story.cluster.find(CONFIG_MAP)] == ["one"]
    [note] = story.heard(Note)
    assert note.warning
    assert note.text == "breaking the lock on app, which ada@laptop, process 1 has held since 2001-09-09 01:48:20 UTC"


def test_who_lost_it_does_not_give_back_what_is_another_s(story: Story) -> None:
    other = lock(story, BOB, break_lock=True).held(["app"], story.events.append)
    with lock(story).held(["app"], story.events.append):
        other.__enter__()
    assert lease(story)["spec"]["holderIdentity"] == BOB.name
    other.__exit__(None, None, None)


def test_a_lock_that_somebody_deleted_is_lost(story: Story) -> None:
    first = lock(story)
    with first.held(["app"], story.events.append):
        story.cluster.delete(LEASE, "app-canary")
        with pytest.raises(LockLostError, match=r"Lease app-canary, the lock on app, was deleted"):
            first.check()


def test_of_two_who_come_at_the_same_moment_one_gets_it(story: Story) -> None:
    def first(*_: Any, **__: Any) -> None:
        if lease(story) is None:
            others.enter()

    others = Entered(lock(story, BOB), story)
    with pytest.raises(LockedError, match="bob@build-7"):
        others.met_by(lock(story, cluster=Faulty(story.cluster, {"create": first})))
    others.leave()


def test_of_two_who_take_over_at_the_same_moment_one_gets_it(story: Story) -> None:
    forgotten = lock(story).held(["app"], story.events.append)
    forgotten.__enter__()
    others = Entered(lock(story, BOB, patience=65), story)

    def first(*_: Any, **__: Any) -> None:
        if lease(story)["spec"]["holderIdentity"] == ADA.name:
            others.enter()

    with pytest.raises(LockedError, match="bob@build-7"):
        others.met_by(lock(story, Driver("carl"), cluster=Faulty(story.cluster, {"update": first}), patience=65))
    others.leave()
    forgotten.__exit__(None, None, None)


def test_of_several_workloads_all_are_held_or_none(story: Story) -> None:
    with lock(story, BOB).held(["worker"], story.events.append):
        both = lock(story).held(["worker", "app"], story.events.append)
        with pytest.raises(LockedError, match="held the lock on worker"), both:
            pass
        assert [found["metadata"]["name"] for found in story.cluster.find(LEASE)] == ["worker-canary"]


def test_what_is_held_already_stays_held_when_a_part_of_the_work_is_done(story: Story) -> None:
    first = lock(story)
    with first.held(["app"], story.events.append):
        with first.held(["app"], story.events.append):
            pass
        first.check()
        assert lease(story)["spec"]["holderIdentity"] == ADA.name
    assert lease(story) is None


def test_a_lock_that_cannot_be_given_back_is_said_and_does_not_hide_why_the_work_ended(story: Story) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise ClusterError("cannot reach the API server")

    faults: dict[str, Callable[..., None]] = {}

    @contextmanager
    def again() -> Iterator[Any]:
        own = story.simulator.cluster(story.namespace)
        yield Faulty(own, faults)
        own.close()

    def work() -> None:
        with lock(story, background=again).held(["app"], story.events.append):
            faults["get"] = away
            raise TimedOutError("no")

    with pytest.raises(TimedOutError, match="no"):
        work()
    [note] = story.heard(Note)
    assert note.warning
    assert "could not be given back (cannot reach the API server): it expires within 60 s" in note.text


def test_what_another_driver_has_done_is_not_taken_for_an_error_of_ones_own(story: Story) -> None:
    others = Entered(lock(story, BOB, break_lock=True), story)

    def work() -> None:
        with lock(story).held(["app"], story.events.append):
            others.enter()
            raise InputError("app has no canary")

    with pytest.raises(LockLostError, match=r"bob@build-7, process 2 took the lock"):
        work()
    others.leave()


def test_a_lease_that_another_has_made_is_not_taken_for_ones_own_when_the_answer_was_lost(story: Story) -> None:
    proxy = FaultyProxy(story.simulator.url)
    transport = transport_through(story, proxy)
    cluster = Cluster(transport, story.namespace)
    cluster.get(CONFIG_MAP, "one")
    others = Entered(lock(story, BOB), story)

    def cut(*_: Any, **__: Any) -> None:
        proxy.cut()
        story.clock.after(5, others.enter)
        story.clock.after(5, proxy.mend)

    with pytest.raises(LockedError, match="bob@build-7"):
        others.met_by(lock(story, cluster=Faulty(cluster, {"create": cut})))
    others.leave()
    transport.close()
    proxy.close()
