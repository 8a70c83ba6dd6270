"""An API server that is away for a while: the release waits for it, reports that, and continues."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from canary.errors import InputError, LockLostError, TimedOutError, UnreachableError
from canary.events import Note, Rejected, Undone
from canary.kube.cluster import Cluster
from canary.objects import CONFIG_MAP
from canary.state.last_promote import undo_reason, unfinished_digest
from canary.verdict.comparison import Decision
from e2e.faulty_proxy import FaultyProxy
from tests.canary.cluster_simulator import ready, unready
from tests.canary.drivers import BOB, Entered, lock
from tests.canary.proxied import transport_through
from tests.canary.story import Faulty, Person, Story, config_map, deployment, image_of, service

OLD = (service(port=8080), config_map(colour="red"), deployment("app:1"))
NEW = (service(port=9090), config_map(colour="blue"), deployment("app:2"))
TWO_MINUTES = 120


@pytest.fixture
def proxy(story: Story) -> Iterator[FaultyProxy]:
    proxy = FaultyProxy(story.simulator.url)
    yield proxy
    proxy.close()


@pytest.fixture
def driver(story: Story, proxy: FaultyProxy) -> Iterator[Cluster]:
    """Give the cluster as a driver sees it whose requests go through the proxy."""
    transport = transport_through(story, proxy)
    yield Cluster(transport, story.namespace)
    transport.close()


def away(story: Story, proxy: FaultyProxy, *, after: float, seconds: float = TWO_MINUTES) -> None:
    """Cut the proxy's connections at some time, and restore them later."""
    story.clock.after(after, proxy.cut)
    story.clock.after(after + seconds, proxy.mend)


def reports(story: Story) -> list[str]:
    """Return the reports of an outage and of its end."""
    return [note.text for note in story.heard(Note) if "the lab" in note.text]


def check_reports(story: Story) -> None:
    lost, back = reports(story)
    assert lost.startswith("cannot reach the lab: ")
    assert lost.endswith("; waiting up to 300 s for it")
    assert re.fullmatch(r"the lab answers again, after 1[12]\d s", back)


def test_a_watch_continues_after_two_minutes_without_an_api_server(
    story: Story, proxy: FaultyProxy, driver: Cluster
) -> None:
    story.stable(*OLD)
    story.release(*NEW).deploy()
    away(story, proxy, after=3)
    verdict = story.release(names=("app",), cluster=driver, max_duration=60).watch()
    assert verdict.decision is Decision.PROMOTE
    check_reports(story)
    assert not [note for note in story.heard(Note) if "no requests" in note.text]


def test_an_outage_does_not_count_towards_the_time_limit_of_a_rollout(
    story: Story, proxy: FaultyProxy, driver: Cluster
) -> None:
    story.stable(*OLD)
    story.release(*NEW).deploy()
    story.simulator.script["app:2"] = unready
    away(story, proxy, after=3)

    def recover() -> None:
        story.simulator.script.clear()
        story.simulator.set_status(story.namespace, "app-", ready)

    story.clock.after(3 + TWO_MINUTES + 3, recover)
    story.release(*NEW, cluster=driver, timeout=10).promote()
    assert image_of(story.deployment()) == "app:2"
    assert story.names() == {"app"}
    check_reports(story)


def test_a_deploy_continues_after_an_outage(story: Story, proxy: FaultyProxy, driver: Cluster) -> None:
    story.stable(*OLD)
    story.simulator.script["app:2"] = unready
    away(story, proxy, after=1)

    def recover() -> None:
        story.simulator.script.clear()
        story.simulator.set_status(story.namespace, "app-canary", ready)

    story.clock.after(1 + TWO_MINUTES + 3, recover)
    story.release(*NEW, cluster=driver).deploy()
    assert story.names() == {"app", "app-canary", "app-baseline"}
    check_reports(story)


def test_a_reject_continues_after_an_outage(story: Story, proxy: FaultyProxy, driver: Cluster) -> None:
    story.stable(*OLD)
    story.release(*NEW).deploy()
    driver.get(CONFIG_MAP, "settings")
    proxy.cut()
    story.clock.after(TWO_MINUTES, proxy.mend)
    story.release(names=("app",), cluster=driver).reject()
    assert story.names() == {"app"}
    check_reports(story)


def test_a_reject_deletes_nothing_until_it_has_read_the_evidence(
    story: Story, proxy: FaultyProxy, driver: Cluster, tmp_path: Path
) -> None:
    story.stable(*OLD)
    story.release(*NEW).deploy()
    cuts: Any = Faulty(driver, {"events": lambda *_: proxy.cut()})
    with pytest.raises(UnreachableError, match=r"To finish it once the API server answers: canary reject app"):
        story.release(names=("app",), cluster=cuts, evidence=str(tmp_path)).reject()
    assert story.names() == {"app", "app-canary", "app-baseline"}


@pytest.mark.parametrize("action", ["run", "reject"])
def test_every_answer_to_a_write_may_be_lost(story: Story, proxy: FaultyProxy, driver: Cluster, action: str) -> None:
    story.stable(*OLD)
    proxy.loses = frozenset({"POST", "PUT", "PATCH", "DELETE"})
    release = story.release(*NEW, cluster=driver)
    if action == "run":
        assert release.run().promoted
        assert image_of(story.deployment()) == "app:2"
        assert {request.split()[0] for request in proxy.lost} >= {"POST", "PATCH", "DELETE"}
    else:
        release.deploy()
        release.reject()
        assert image_of(story.deployment()) == "app:1"
        [rejected] = story.heard(Rejected)
        assert rejected.deleted == ("app-baseline", "app-canary")
    assert story.names() == {"app"}
    assert unfinished_digest(story.cluster, "app") is None
    assert reports(story) == []


def test_an_object_that_another_client_created_meanwhile_is_not_ours(
    story: Story, proxy: FaultyProxy, driver: Cluster
) -> None:
    driver.get(CONFIG_MAP, "settings")
    proxy.cut()
    story.clock.after(5, lambda: story.create_as("kubectl-create", config_map(colour="red")))
    story.clock.after(5, proxy.mend)
    with pytest.raises(InputError, match="already exists"):
        driver.create(config_map(colour="blue"))


def test_a_promote_without_an_api_server_starts_no_undo_and_the_next_one_finishes_it(
    story: Story, proxy: FaultyProxy, driver: Cluster
) -> None:
    story.stable(*OLD)
    story.release(*NEW).deploy()
    story.simulator.script["app:2"] = unready
    story.clock.after(3, proxy.cut)
    began = story.clock.now()
    with pytest.raises(UnreachableError) as raised:
        story.release(*NEW, cluster=driver).promote()
    assert story.clock.now() - began == pytest.approx(300, abs=10)  # an undo would wait for as long again
    assert raised.value.exit_code == 3
    assert str(raised.value).startswith("cannot reach the lab: ")
    assert str(raised.value).endswith(
        "s). app may be half done. To finish it once the API server answers: canary promote MANIFESTS --image IMAGE"
    )
    assert image_of(story.deployment()) == "app:2"
    assert undo_reason(story.cluster, "app") == ""
    assert not story.heard(Undone)

    story.simulator.script.clear()
    story.simulator.settle()
    story.simulator.set_status(story.namespace, "app-", ready)
    story.release(*NEW).promote()
    assert story.names() == {"app"}


@pytest.mark.parametrize("action", ["deploy", "watch"])
def test_giving_up_names_the_command_to_continue(
    story: Story, proxy: FaultyProxy, driver: Cluster, action: str
) -> None:
    story.stable(*OLD)
    if action == "watch":
        story.release(*NEW).deploy()
    else:
        story.simulator.script["app:2"] = unready
    story.clock.after(1, proxy.cut)
    objects: Any = NEW if action == "deploy" else ()
    with pytest.raises(
        UnreachableError, match=r"Run the same command again to continue. To end the release: canary reject app"
    ):
        getattr(story.release(*objects, names=("app",), cluster=driver), action)()


def test_a_cluster_that_never_answered_is_given_up_quickly(story: Story, proxy: FaultyProxy, driver: Cluster) -> None:
    proxy.cut()
    began = story.clock.now()
    with pytest.raises(UnreachableError, match="cannot reach the lab"):
        story.release(*NEW, cluster=driver).deploy()
    assert story.clock.now() - began <= 3
    assert reports(story) == []


def test_an_undecided_watch_ends_in_spite_of_an_outage(story: Story, proxy: FaultyProxy, driver: Cluster) -> None:
    story.stable(*OLD)
    story.release(*NEW).deploy()
    away(story, proxy, after=3, seconds=30)
    began = story.clock.now()
    with pytest.raises(TimedOutError, match="undecided after 60 s"):
        story.release(names=("app",), cluster=driver, max_duration=60, min_requests=10**9).watch()
    assert story.clock.now() - began == pytest.approx(90, abs=8)


def test_a_gate_waits_through_an_outage_and_keeps_the_lock(story: Story, proxy: FaultyProxy, driver: Cluster) -> None:
    story.stable(*OLD)
    first = lock(story, cluster=driver)
    guarded = Cluster(driver.transport, story.namespace, before_write=first.check)

    class Asks(Person):
        def decide(self, verdict: Any, elsewhere: Any) -> Any:
            proxy.cut()
            story.clock.sleep(TWO_MINUTES)
            story.clock.after(5, proxy.mend)
            return super().decide(verdict, elsewhere)

    assert story.release(*NEW, cluster=guarded, lock=first, gate=Asks(promote=True)).run().promoted
    assert image_of(story.deployment()) == "app:2"
    assert "the lab answers again" in reports(story)[1]
    assert not [note for note in story.heard(Note) if "lock" in note.text]


def test_a_driver_stops_if_its_lock_was_taken_during_the_outage(
    story: Story, proxy: FaultyProxy, driver: Cluster
) -> None:
    story.stable(*OLD)
    story.release(*NEW).deploy()
    first = lock(story, cluster=driver)
    guarded = Cluster(driver.transport, story.namespace, before_write=first.check)
    away(story, proxy, after=3)
    others = Entered(lock(story, BOB, break_lock=True), story)
    story.clock.after(100, others.enter)
    with pytest.raises(LockLostError, match=r"bob@build-7, process 2 took the lock"):
        story.release(names=("app",), cluster=guarded, lock=first).watch()
    others.leave()
