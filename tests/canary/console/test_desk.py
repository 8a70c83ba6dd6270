"""What the buttons of a console do to the releases of a cluster."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from canary.console.desk import ClusterDesk
from canary.errors import InputError, UnreachableError
from canary.events import KeepsWatching
from canary.marks import Variant
from canary.observe.deployments import images
from canary.release.overview import Action, Phase
from canary.state.lease import DURATION, renewed
from tests.canary.drivers import ADA, BOB, Entered, lease, lock, nobody_has
from tests.canary.release.gates import NEW, OLD, Asked, Waiting, recorded
from tests.canary.story import Faulty, Story, deployment


@dataclass
class Rejects:
    """Rejects as the command does, and keeps what it was asked for."""

    story: Story
    asked: list[tuple[tuple[str, ...], str, str, bool]] = field(default_factory=list)
    before: Callable[[], object] = lambda: None

    def __call__(self, names: Sequence[str], *, by: str, reason: str, breaks_lock: bool) -> None:
        self.asked.append((tuple(names), by, reason, breaks_lock))
        self.before()
        own = lock(self.story, BOB, break_lock=breaks_lock)
        self.story.release(names=tuple(names), lock=own, person=by).reject(f"by {by}: {reason}")


@dataclass
class Console:
    story: Story
    rejects: Rejects
    desk: ClusterDesk

    def press(self, action: Action, *, typed: str = "", workload: str = "app", by: str = "eve") -> str:
        return self.desk.act(workload, action, by=by, typed=typed, reason="the colour is wrong")


@pytest.fixture
def console(story: Story) -> Console:
    """Give the console of a namespace in which app:1 is stable."""
    story.stable(OLD)
    rejects = Rejects(story)
    return Console(
        story,
        rejects,
        ClusterDesk(story.cluster, story.options, (), clock=story.clock, reject=rejects, has_ended=nobody_has),
    )


@pytest.mark.parametrize(("action", "runs"), [(Action.PROMOTE, ("app:2",)), (Action.REJECT, ("app:1",))])
def test_a_button_answers_the_gate_that_waits(console: Console, action: Action, runs: tuple[str, ...]) -> None:
    with Waiting(console.story, (NEW,)) as waiting:
        told = console.press(action)
    assert told == f"Recorded: {action} app. {ADA.name} does it now."
    assert waiting.outcome
    assert waiting.outcome.by == "eve"
    assert images(console.story.deployment()) == runs
    assert not console.rejects.asked


def test_keep_watching_lets_the_gate_ask_again(console: Console) -> None:
    said: list[str] = []
    gate = Asked([lambda: said.append(console.press(Action.WATCH)), lambda: recorded(console.story, promote=True)])
    assert console.story.release(NEW, gate=gate, lock=lock(console.story)).run().promoted
    assert said == [f"Recorded: keep watching app. {ADA.name} takes more looks, and asks again."]
    assert [event.by for event in console.story.heard(KeepsWatching)] == ["eve"]


def test_a_promote_against_the_verdict_needs_the_name_of_the_release(console: Console) -> None:
    console.story.counts.good[Variant.CANARY] = 0.2
    with Waiting(console.story, (NEW,)) as waiting:
        for typed in ("", "yes"):
            with pytest.raises(InputError, match="To confirm, type the name of the release: app"):
                console.press(Action.PROMOTE, typed=typed)
        console.press(Action.PROMOTE, typed="app")
    assert waiting.outcome
    assert waiting.outcome.promoted


def test_the_second_of_two_people_is_told(console: Console) -> None:
    def both() -> None:
        console.press(Action.PROMOTE)
        with pytest.raises(InputError, match=rf"^eve has already decided to promote app. {ADA.name} carries it out$"):
            console.press(Action.REJECT, by="mallory")

    assert console.story.release(NEW, gate=Asked([both]), lock=lock(console.story)).run().promoted


def test_two_people_at_two_consoles_in_the_same_second(console: Console) -> None:
    said: list[str] = []
    story = console.story

    def press(action: Action, by: str, start: threading.Barrier) -> None:
        cluster = story.simulator.cluster(story.namespace)
        desk = ClusterDesk(cluster, story.options, (), clock=story.clock, reject=console.rejects, has_ended=nobody_has)
        start.wait(20)
        try:
            said.append(desk.act("app", action, by=by, typed="", reason=""))
        except InputError as error:
            said.append(str(error))
        cluster.close()

    def race() -> None:
        start = threading.Barrier(2)
        people = [(Action.PROMOTE, "ada"), (Action.REJECT, "bob")]
        threads = [threading.Thread(target=press, args=(*one, start)) for one in people]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)

    outcome = story.release(NEW, gate=Asked([race]), lock=lock(story)).run()
    winner, loser = sorted(said, key=lambda text: not text.startswith("Recorded"))
    assert winner == f"Recorded: {'promote' if outcome.promoted else 'reject'} app. {ADA.name} does it now."
    assert f"{outcome.by} has already decided to {'promote' if outcome.promoted else 'reject'} app" in loser


def test_where_no_gate_waits_reject_works_and_promote_says_how(console: Console) -> None:
    console.story.release(NEW).deploy()
    with pytest.raises(InputError, match=r"which a console does not have.*: canary promote MANIFESTS --image app:2$"):
        console.press(Action.PROMOTE)
    with pytest.raises(InputError, match="app has no release to watch any longer"):
        console.press(Action.WATCH)
    assert console.press(Action.REJECT) == ("Rejected app: canary and baseline are deleted; stable was not touched.")
    assert console.rejects.asked == [(("app",), "eve", "the colour is wrong", False)]
    assert console.story.names() == {"app"}


def test_a_driver_that_compares_is_only_stopped_by_who_types_the_name(console: Console) -> None:
    console.story.release(NEW).deploy()
    driver = Entered(lock(console.story), console.story)
    driver.enter()
    with pytest.raises(InputError, match=f"{ADA.name} is at work: this takes the lock away from it"):
        console.press(Action.REJECT)
    console.press(Action.REJECT, typed="app")
    driver.leave()
    assert console.rejects.asked == [(("app",), "eve", "the colour is wrong", True)]
    assert console.story.names() == {"app"}


def test_a_driver_that_begins_in_between_is_not_stopped(console: Console) -> None:
    console.story.release(NEW).deploy()
    driver = Entered(lock(console.story), console.story)
    console.rejects.before = driver.enter
    with pytest.raises(InputError, match=rf"^{ADA.name} has held the lock on app since .* decide$"):
        console.press(Action.REJECT)
    driver.leave()
    assert "app-canary" in console.story.names()


def test_a_release_whose_driver_was_killed_on_another_machine_can_be_rejected(console: Console) -> None:
    story = console.story
    story.release(NEW).deploy()
    killed = Entered(lock(story), story)
    killed.enter()
    story.clock.time += DURATION + 1
    with pytest.raises(
        InputError,
        match=rf"^{ADA.name} has held .*\. It may be gone: press the button again in \d+ s, when",
    ):
        console.press(Action.REJECT)
    story.clock.time += DURATION
    assert console.press(Action.REJECT).startswith("Rejected app")
    assert [breaks for *_, breaks in console.rejects.asked] == [False, True]
    assert story.names() == {"app"}


def test_a_driver_whose_clock_is_slow_is_not_taken_for_gone(console: Console) -> None:
    story = console.story
    story.release(NEW).deploy()
    driver = Entered(lock(story), story)
    driver.enter()
    for _ in range(3):
        story.cluster.update(renewed(lease(story), story.clock.now() - 1000))
        story.clock.time += DURATION - 1
        console.desk.overview()
        with pytest.raises(InputError, match=f"{ADA.name} has held the lock on app"):
            console.press(Action.REJECT)
    driver.leave()
    assert not any(breaks for *_, breaks in console.rejects.asked)
    assert "app-canary" in story.names()


class Away:
    """A cluster whose API server was away for some seconds, in which no driver could renew its lock."""

    def __init__(self, cluster: Any) -> None:
        self._cluster, self.away = cluster, 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)


def test_the_time_for_which_the_api_server_was_away_says_nothing_about_a_driver(console: Console) -> None:
    story, rejects = console.story, console.rejects
    story.release(NEW).deploy()
    driver = Entered(lock(story), story)
    driver.enter()
    cluster: Any = Away(story.cluster)
    desk = ClusterDesk(cluster, story.options, (), clock=story.clock, reject=rejects, has_ended=nobody_has)
    desk.overview()
    cluster.away = 2 * DURATION
    story.clock.time += 2 * DURATION
    with pytest.raises(InputError, match=f"{ADA.name} has held the lock on app"):
        desk.act("app", Action.REJECT, by="eve", typed="", reason="")
    assert [breaks for *_, breaks in rejects.asked] == [False]
    driver.leave()


def test_a_release_is_not_taken_from_a_driver_that_renews_one_of_its_locks(console: Console) -> None:
    console.story.stable(deployment("shop:1", name="shop"))
    console.story.release(NEW, deployment("shop:2", name="shop")).deploy()
    drivers = [Entered(lock(console.story), console.story, name) for name in ("app", "shop")]
    for driver in drivers:
        driver.enter()
    for _ in range(2):
        console.desk.overview()
        console.story.clock.time += DURATION - 1
        old = lease(console.story, "shop-canary")
        console.story.cluster.update(renewed(old, console.story.clock.now() - 1000))
    with pytest.raises(InputError, match=f"{ADA.name} has held the lock on"):
        console.press(Action.REJECT)
    assert [breaks for *_, breaks in console.rejects.asked] == [False]
    for driver in drivers:
        driver.leave()


def test_pages_show_the_release_while_it_is_being_rejected(console: Console) -> None:
    shown: list[Any] = []

    def look() -> None:
        page = threading.Thread(target=lambda: shown.append(console.desk.overview()), daemon=True)
        page.start()
        page.join(20)
        assert shown

    console.story.release(NEW).deploy()
    console.rejects.before = look
    console.press(Action.REJECT)
    assert [one.phase for one in shown[0].workloads] == [Phase.LEFT]
    assert [one.phase for one in console.desk.overview().workloads] == [Phase.IDLE]


def test_workloads_of_one_release_are_rejected_together(console: Console) -> None:
    console.story.stable(deployment("shop:1", name="shop"))
    console.story.release(NEW, deployment("shop:2", name="shop")).deploy()
    console.press(Action.REJECT, workload="shop")
    assert console.rejects.asked[0][0] == ("app", "shop")
    assert console.story.names() == {"app", "shop"}


def test_a_release_that_has_ended_is_not_decided_on(console: Console) -> None:
    with pytest.raises(InputError, match="app has no release to reject any longer"):
        console.press(Action.REJECT)
    with pytest.raises(InputError, match="web has no release to promote any longer"):
        console.press(Action.PROMOTE, workload="web")


class Counting:
    """A cluster that counts what is read of it."""

    def __init__(self, cluster: Any) -> None:
        self._cluster, self.reads = cluster, 0

    def __getattr__(self, name: str) -> Any:
        self.reads += name in ("get", "find", "events")
        return getattr(self._cluster, name)


def test_however_many_pages_ask_the_cluster_is_read_once_a_second(console: Console) -> None:
    story = console.story
    cluster = Counting(story.cluster)
    desk = ClusterDesk(cluster, story.options, (), clock=story.clock, reject=console.rejects, has_ended=nobody_has)
    first = desk.overview()
    reads = cluster.reads
    assert all(desk.overview() is first for _ in range(10))
    assert cluster.reads == reads
    story.clock.time += 1
    assert desk.overview() is not first
    assert cluster.reads == 2 * reads


def test_a_slow_cluster_is_read_less_often(console: Console) -> None:
    story = console.story

    class Slow(Counting):
        def find(self, *arguments: Any, **more: Any) -> Any:
            story.clock.time += 0.5
            return self._cluster.find(*arguments, **more)

    desk = ClusterDesk(
        Slow(story.cluster), story.options, (), clock=story.clock, reject=console.rejects, has_ended=nobody_has
    )
    first = desk.overview()
    story.clock.time += 2
    assert desk.overview() is first
    story.clock.time += 6
    assert desk.overview() is not first


def test_a_workload_that_was_shown_stays_after_its_release(console: Console) -> None:
    story = console.story
    story.apply_as("kubectl", deployment("web:1", name="web"))
    story.clock.sleep(0)
    story.release(deployment("web:2", name="web")).deploy()
    shown = {one.status.name: one.phase for one in console.desk.overview().workloads}
    assert shown == {"app": Phase.IDLE, "web": Phase.LEFT}
    console.press(Action.REJECT, workload="web")
    shown = {one.status.name: one.phase for one in console.desk.overview().workloads}
    assert shown == {"app": Phase.IDLE, "web": Phase.IDLE}


@dataclass
class Pages:
    """A clock, and a page that asks for the state at these seconds."""

    story: Story
    at: list[float]
    away: bool = False  # whether the API server does not answer any more
    slept: float = 0.0
    got: list[object] = field(default_factory=list)

    def __post_init__(self) -> None:
        rejects = Rejects(self.story)

        def answer(*_: object, **__: object) -> None:
            if self.away:
                raise UnreachableError("the API server does not answer")

        cluster: Any = Faulty(self.story.cluster, {"find": answer, "get": answer})
        self.desk = ClusterDesk(cluster, self.story.options, (), clock=self, reject=rejects, has_ended=nobody_has)

    def now(self) -> float:
        return self.story.clock.now()

    def monotonic(self) -> float:
        return self.story.clock.monotonic()

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.story.clock.sleep(seconds)
        while self.at and self.slept >= self.at[0]:
            self.at.pop(0)
            with contextlib.suppress(UnreachableError):
                self.got.append(self.desk.overview())


@pytest.mark.parametrize(
    ("asks", "lasts"),
    [([2.0, 4.0], 7), ([], 4.1), ([4.0], 9)],
    ids=["a page that is open", "a page that was closed", "a slow page"],
)
def test_a_console_stays_until_an_open_page_has_got_the_last_state(
    story: Story, asks: list[float], lasts: float
) -> None:
    story.stable(OLD)
    pages = Pages(story, asks.copy())
    before = pages.desk.overview()
    story.clock.sleep(0.9)  # a page that asks now would get the same
    pages.desk.linger()
    assert pages.slept == pytest.approx(lasts, abs=0.3)
    assert len(pages.got) == len(asks)
    assert before not in pages.got


def test_a_console_whose_pages_show_that_the_api_server_is_away_does_not_stay_longer(story: Story) -> None:
    story.stable(OLD)
    pages = Pages(story, [2.0, 4.0])
    pages.desk.overview()
    story.clock.sleep(0.9)
    pages.away = True
    pages.desk.linger()
    assert pages.slept == pytest.approx(7, abs=0.3)
    assert not pages.got


def test_a_console_that_no_page_asks_ends_at_once(story: Story) -> None:
    story.stable(OLD)
    pages = Pages(story, [])
    pages.desk.overview()
    story.clock.sleep(6)
    pages.desk.linger()
    assert pages.slept == 0
