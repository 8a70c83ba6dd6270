"""Canaries that nobody works on any more expire, and are rejected by whoever reaps."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from canary.cli import render
from canary.events import Note, Rejected
from canary.marks import EXPIRES
from canary.objects import DEPLOYMENT, LEASE
from canary.state.expiry import expiry, postpone_expiry
from tests.canary.commandline import CommandLine
from tests.canary.drivers import ADA, BOB, Entered, lock
from tests.canary.interruption import interrupt_promote
from tests.canary.story import Person, Story, deployment

HALF_AN_HOUR = 1800.0


def left(story: Story, name: str = "app-canary") -> float | None:
    """Return in how many seconds a canary expires."""
    at = expiry(story.deployment(name))
    return None if at is None else at - story.clock.now()


def released(story: Story, name: str = "app") -> None:
    story.stable(deployment(f"{name}:1", name=name))
    story.release(deployment(f"{name}:2", name=name)).deploy()


def test_a_canary_expires_half_an_hour_after_it_was_deployed(story: Story) -> None:
    released(story)
    assert left(story) == pytest.approx(HALF_AN_HOUR, abs=30)
    assert EXPIRES not in story.deployment("app-baseline")["metadata"]["annotations"]
    story.release(names=("app",)).reject()
    story.release(deployment("app:2"), expire_after=60.0).deploy()
    assert left(story) == pytest.approx(60, abs=30)


@pytest.mark.parametrize("action", ["deploy", "watch"])
def test_working_on_it_puts_that_off_and_never_nearer(story: Story, action: str) -> None:
    released(story)
    story.clock.time += 1000
    getattr(story.release(deployment("app:2")), action)()
    assert left(story) == pytest.approx(HALF_AN_HOUR, abs=30)

    getattr(story.release(deployment("app:2"), expire_after=60.0), action)()
    assert left(story) == pytest.approx(HALF_AN_HOUR, abs=60)


def test_a_gate_that_waits_puts_that_off(story: Story) -> None:
    released(story)
    story.clock.time += 1000

    class Asks(Person):
        def decide(self, verdict: Any, elsewhere: Any) -> Any:
            story.clock.time += 5000
            story.until(lambda: (left(story) or 0) > HALF_AN_HOUR - 60)
            return super().decide(verdict, elsewhere)

    def alongside(cluster: Any, name: str) -> None:
        postpone_expiry(cluster, name, story.clock.now() + HALF_AN_HOUR)

    busy = lock(story, renew_every=0.01, alongside=alongside)
    assert story.release(deployment("app:2"), lock=busy, gate=Asks(promote=True)).run().promoted


def test_what_has_expired_is_rejected_and_nothing_else(story: Story) -> None:
    for name in ("app", "worker"):
        released(story, name)
    story.clock.time += 1000
    postpone_expiry(story.cluster, "worker", story.clock.now() + HALF_AN_HOUR)
    story.clock.time += 1000

    app, worker = story.release(lock=lock(story)).reap()

    assert (app.workload, app.expired, app.deleted) == ("app", True, ("app-baseline", "app-canary"))
    assert (worker.workload, worker.expired, worker.deleted) == ("worker", False, ())
    assert story.names() == {"app", "worker", "worker-baseline", "worker-canary"}
    at = datetime.fromtimestamp(story.clock.now(), UTC).strftime("%Y-%m-%d")
    [rejected] = story.heard(Rejected)
    assert rejected.reason.startswith(f"its canary expired at {at} ")
    assert rejected.reason.endswith(" UTC, and nobody works on it")
    assert "worker is left: its canary does not expire before" in story.heard(Note)[-1].text
    assert story.cluster.find(LEASE) == []


def test_a_dry_run_says_what_would_be_rejected_and_rejects_nothing(story: Story) -> None:
    released(story)
    story.clock.time += 2000
    [app] = story.release(lock=lock(story)).reap(dry_run=True)
    assert (app.expired, app.deleted) == (True, ())
    assert story.heard(Note)[-1].text.startswith("app would be rejected: its canary expired at ")
    assert story.names() == {"app", "app-baseline", "app-canary"}
    assert story.cluster.find(LEASE) == []


def test_what_somebody_works_on_is_left_and_what_a_killed_driver_has_locked_is_not(story: Story) -> None:
    released(story)
    story.clock.time += 2000
    works = Entered(lock(story, BOB), story)
    works.enter()
    [app] = story.release(lock=lock(story)).reap()
    assert app.reason.startswith("bob@build-7, process 2 has held the lock on app since ")
    assert "app-canary" in story.names()
    [app] = story.release(lock=lock(story)).reap(dry_run=True)
    assert app.expired
    assert ", unless bob@build-7, process 2, who last renewed its lock at 2001-09-09 " in app.reason
    [app] = story.release(lock=lock(story, patience=65)).reap()  # bob's driver was killed
    assert app.expired
    assert story.names() == {"app"}
    works.leave()


def test_who_comes_back_at_the_last_moment_keeps_the_canary(story: Story) -> None:
    released(story)
    story.clock.time += 2000

    class Late:
        def held(self, names: Any, listen: Any) -> Any:
            postpone_expiry(story.cluster, "app", story.clock.now() + HALF_AN_HOUR)
            return lock(story).held(names, listen)

    [app] = story.release(lock=Late()).reap()
    assert not app.expired
    assert "app-canary" in story.names()


def test_a_canary_of_another_tool_never_expires_and_watching_it_changes_nothing(story: Story) -> None:
    released(story)
    story.cluster.annotate(DEPLOYMENT, "app-canary", {EXPIRES: None})
    story.release(names=("app",)).watch()
    story.clock.time += 1e6
    [app] = story.release(lock=lock(story)).reap()
    assert app.reason == "its canary was created by another tool, and never expires"
    assert "app-canary" in story.names()


def test_what_is_on_its_way_to_stable_is_left(story: Story) -> None:
    released(story)
    interrupt_promote(story)
    story.clock.time += 2000
    [app] = story.release(lock=lock(story)).reap()
    assert app.reason.startswith("its promote was interrupted. To finish it: canary promote")
    assert "app-canary" in story.names()


def test_a_baseline_alone_is_left_and_said(story: Story) -> None:
    released(story)
    story.cluster.delete(DEPLOYMENT, "app-canary")
    [app] = story.release(lock=lock(story)).reap()
    assert app.reason == "it has a baseline, but no canary. To delete it: canary reject app"


def test_an_expired_canary_can_be_promoted(story: Story) -> None:
    released(story)
    story.clock.time += 1e6
    story.release(deployment("app:2")).promote()
    assert story.names() == {"app"}


@pytest.mark.parametrize(("passed", "says"), [
    pytest.param(180, "expires in 27 min; canary watch postpones that", id="minutes"),
    pytest.param(-90_000, "expires in 26 h; canary watch postpones that", id="hours"),
    pytest.param(1790, "expires within a minute; canary watch postpones that", id="soon"),
    pytest.param(1900, "expired: canary reap rejects it, unless you run canary watch", id="expired"),
])  # fmt: skip
def test_status_says_when_it_expires(story: Story, passed: float, says: str) -> None:
    released(story)
    story.clock.time = (expiry(story.deployment("app-canary")) or 0) - HALF_AN_HOUR + passed
    assert f"  {says}\n" in render.status_as_text(story.release(names=("app",)).status())


def test_status_knows_on_the_same_machine_that_a_driver_was_killed(story: Story) -> None:
    released(story)
    beside = replace(ADA, gone=BOB.mark)
    with lock(story, BOB).held(["app"], story.events.append):
        status = story.release(names=("app",), lock=lock(story, beside)).status()
    (app,) = status.workloads
    assert not app.is_at_work
    assert f"\n  {BOB.name} is no longer running; it last renewed its lock at " in render.status_as_text(status)
    assert "canary reject app" in app.next[-1]
    assert "--break-lock" not in "".join(app.next)


def test_status_says_who_holds_the_lock_and_when_it_was_renewed(story: Story) -> None:
    released(story)
    story.clock.time = 1_750_000_000.0
    at, bob = "2025-06-15 15:06:40 UTC", "bob@build-7, process 2"
    with lock(story, BOB).held(["app"], story.events.append):
        at_work = render.status_as_text(story.release(names=("app",)).status())
        story.clock.time += 61
        silent = render.status_as_text(story.release(names=("app",)).status())
    assert f"\n  {bob} has been at work since {at}; it last renewed the lock at {at}\n" in at_work
    assert f"\n  {bob} may be gone: it has held the lock since {at}; it last renewed the lock at {at}\n" in silent
    assert [line for line in at_work.splitlines() if "next: " in line] == [
        f"  next: wait until {bob} is done, and see the state again: canary status app",
        f"  next: stop {bob}, and delete canary and baseline: canary reject app --break-lock",
    ]
    assert "canary watch app" in silent


def test_the_command_rejects_what_has_expired(in_cluster: CommandLine, story: Story) -> None:
    in_cluster.write_objects("1.yml", deployment("app:1"))
    in_cluster.write_objects("2.yml", deployment("app:2"))
    assert in_cluster("apply", "1.yml").code == 0
    assert in_cluster("deploy", "2.yml", "--expire-after", "0s").code == 0

    dry = in_cluster("reap", "--dry-run", "-o", "json")
    assert [(one["workload"], one["expired"], one["deleted"]) for one in dry.json()["reaped"]] == [("app", True, [])]
    done = in_cluster("reap", "-o", "json")
    assert [one["deleted"] for one in done.json()["reaped"]] == [["app-baseline", "app-canary"]]
    assert "app" in done.err
    assert in_cluster("reap", "-o", "json").json() == {"reaped": []}
    assert story.names() == {"app"}
