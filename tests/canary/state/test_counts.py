"""What a release has counted is kept in a ConfigMap: small, versioned, written seldom, and gone with its canary."""

from __future__ import annotations

import base64
import gzip
import json
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from canary.errors import InputError, InterruptedReleaseError, TimedOutError
from canary.events import Judged, Looked, Recalled
from canary.marks import Variant
from canary.objects import CONFIG_MAP, DEPLOYMENT
from canary.state.counts import CountsWriter, read_record
from canary.state.record import Record
from canary.verdict.comparison import Decision
from canary.verdict.measures import Measures, Metric, bucket_key, good_key, total_key
from canary.verdict.scrapes import Pod, Scrape
from canary.verdict.tally import Tally
from canary.verdict.tolerance import Multiple
from tests.canary.story import SUCCESS, WRITES, Faulty, Story, deployment, service

NAME = "app-canary-counts"
KIB = 1024


@pytest.fixture
def deployed(story: Story) -> Story:
    """Give a story whose canary, app:2 beside app:1, is ready."""
    story.stable(service(), deployment("app:1"))
    story.release(service(), deployment("app:2")).deploy()
    story.events.clear()
    return story


def keeper(story: Story) -> dict[str, Any]:
    found = story.cluster.get(CONFIG_MAP, NAME)
    assert found is not None
    return found


def test_the_counts_belong_to_the_canary_and_go_with_it_whoever_deletes_it(deployed: Story) -> None:
    deployed.release(names=("app",)).watch()
    kept = keeper(deployed)
    assert kept["data"]["format"] == "2"
    assert kept["data"]["verdict"].startswith("PROMOTE: canary ")
    [owner] = kept["metadata"]["ownerReferences"]
    canary = deployed.deployment("app-canary")
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Deployment", "app-canary", canary["metadata"]["uid"])

    deployed.cluster.delete(DEPLOYMENT, "app-canary")
    deployed.until(lambda: deployed.cluster.get(CONFIG_MAP, NAME) is None)


def test_a_look_writes_once_and_only_if_it_saw_something_new(deployed: Story) -> None:
    writes: list[tuple[int, str]] = []

    def note(what: str) -> Callable[..., None]:
        return lambda *_, **__: writes.append((len(deployed.heard(Looked)), what))

    deployed.clock.after(10, lambda: deployed.counts.problem.update(dict.fromkeys(Variant, "no answer")))
    deployed.clock.after(30, deployed.counts.problem.clear)
    counting = Faulty(deployed.cluster, {write: note(write) for write in WRITES})
    deployed.release(names=("app",), cluster=counting, min_duration=20).watch()

    looks = deployed.heard(Looked)
    told = {n for n, look in enumerate(looks) if not any(state.missing for state in look.variants)}
    silent = [n for n in range(len(looks)) if n not in told]
    assert len(silent) > 5
    assert {one for one in writes if one[1] != "apply"} <= {(0, "annotate")}, "the expiry is put off, once"
    assert [one for one in writes if one[1] == "apply"] == [(n, "apply") for n in sorted({*told, silent[0]})]


def test_pods_that_are_gone_take_no_room(deployed: Story) -> None:
    deployed.release(names=("app",), min_duration=0).watch()
    before = json.loads(keeper(deployed)["data"]["counts.json"])
    deployed.clock.then = [
        (deployed.clock.now() + n * 10, lambda n=n: deployed.cluster.scale("app-canary", 2 + n % 2))  # type: ignore[misc]
        for n in range(1, 7)
    ]
    deployed.release(names=("app",), min_duration=80).watch()

    after = json.loads(keeper(deployed)["data"]["counts.json"])
    assert [len(rows) for *_, rows in after["processes"]] == [len(rows) for *_, rows in before["processes"]]
    totals = {(variant, metric): total for variant, metric, _, total, *_ in after["totals"]}
    looks = deployed.heard(Looked)
    assert totals["canary", "success"] == looks[-1].verdict.comparisons[0].canary.total
    assert [look.verdict.comparisons[0].canary.total for look in looks] == sorted(
        look.verdict.comparisons[0].canary.total for look in looks
    )


def test_a_driver_that_is_killed_leaves_all_to_the_next(deployed: Story) -> None:
    def kill() -> None:
        raise KeyboardInterrupt

    deployed.clock.after(9, kill)
    with pytest.raises(InterruptedReleaseError):
        deployed.release(names=("app",), min_duration=20).watch()
    canaries = {"app": deployed.deployment("app-canary")}
    kept = read_record(deployed.cluster, canaries, warm_up=0)
    assert kept is not None
    last = deployed.heard(Looked)[-1]
    assert kept.tally.evidence("app", Variant.CANARY, SUCCESS) == last.verdict.comparisons[0].canary
    assert kept.histories["app"].points[-1].evidence[Variant.CANARY, "success"] == last.verdict.comparisons[0].canary
    assert [point.at for point in kept.histories["app"].points] == [look.at for look in deployed.heard(Looked)]


def test_the_counts_of_an_earlier_canary_are_not_taken_for_those_of_the_next(deployed: Story) -> None:
    deployed.counts.good[Variant.CANARY] = 0.1
    assert deployed.release(names=("app",)).watch().decision is Decision.REJECT
    deployed.simulator.act(lambda: None)
    old = keeper(deployed)
    deployed.release(names=("app",)).reject()
    deployed.release(service(), deployment("app:2")).deploy()
    stray = {"apiVersion": "v1", "kind": "Deployment", "name": "app", "uid": deployed.deployment()["metadata"]["uid"]}
    deployed.until(lambda: deployed.cluster.get(CONFIG_MAP, NAME) is None)
    deployed.cluster.create({**old, "metadata": {"name": NAME, "ownerReferences": [stray]}})
    deployed.counts.good[Variant.CANARY] = 0.9
    assert deployed.release(names=("app",)).watch().decision is Decision.PROMOTE


def test_a_config_map_of_somebody_else_is_not_overwritten(deployed: Story) -> None:
    deployed.cluster.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}, "data": {"a": "b"}})
    with pytest.raises(InputError, match=r"is not from canary .*: rename it, or delete it: kubectl delete configmap"):
        deployed.release(names=("app",)).watch()
    assert keeper(deployed)["data"] == {"a": "b"}


def changed(**keys: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda data: data | {"counts.json": json.dumps(json.loads(data["counts.json"]) | keys)}


UNREADABLE = {
    "another version": (lambda data: data | {"format": "3"}, "in format 3, but this version of canary reads format 2"),
    "a time that is none": (changed(watched_since="soon"), "could not convert string to float: 'soon'"),
    "a time that never ends": (changed(watched=float("inf")), "inf is not a valid time"),
    "totals that are none": (changed(totals=[[1]]), "not enough values"),
    "a variant that is none": (changed(totals=[["kanary", "success", 1, 1]]), "'kanary' is not a valid Variant"),
    "strata that are none": (changed(strata=[["success", {}]]), "there is no 'tolerance'"),
    "a history that is none": (changed(history=None), "NoneType"),
    "no JSON": (lambda data: data | {"counts.json": "{"}, "Expecting property name"),
    "no object": (lambda data: data | {"counts.json": "[]"}, "it is not an object"),
    "nothing": (lambda data: data | {"counts.json": None}, "there is no 'binaryData'"),
    "a verdict that is none": (lambda data: data | {"verdict": "MAYBE"}, "'MAYBE' is not a valid Decision"),
}


@pytest.mark.parametrize(("change", "says"), UNREADABLE.values(), ids=UNREADABLE)
def test_counts_that_cannot_be_read_end_a_watch_and_a_promote_and_nothing_else(
    deployed: Story, change: Callable[[dict[str, Any]], dict[str, Any]], says: str
) -> None:
    deployed.release(names=("app",)).watch()
    deployed.cluster.replace(keeper(deployed) | {"data": change(keeper(deployed)["data"])})
    for action in ("watch", "promote"):
        with pytest.raises(InputError, match="canary reject app") as caught:
            getattr(deployed.release(service(), deployment("app:2")), action)()
        assert NAME in str(caught.value)
        assert says in str(caught.value)

    [app] = deployed.release(names=("app",)).status().workloads
    assert len(app.variants) == 3
    assert app.verdict == ""
    [problem] = app.problems
    assert says in problem
    deployed.release(names=("app",)).reject()
    assert deployed.names() == {"app"}


def test_the_counts_of_an_older_driver_are_compared_by_their_history(deployed: Story) -> None:
    deployed.release(names=("app",)).watch()
    canaries = {"app": deployed.deployment("app-canary")}
    kept = read_record(deployed.cluster, canaries, warm_up=0)

    def as_former(data: dict[str, Any]) -> dict[str, Any]:
        counts = json.loads(data["counts.json"])
        del counts["strata"]
        counts["totals"] = [[*row, 8, 1.5] for row in counts["totals"]]
        points = [[at, *([*values, 8, 1.5] for values in rest)] for at, *rest in counts["history"]["points"]]
        counts["history"]["points"] = points
        return data | {"format": "1", "counts.json": json.dumps(counts)}

    deployed.cluster.replace(keeper(deployed) | {"data": as_former(keeper(deployed)["data"])})
    assert read_record(deployed.cluster, canaries, warm_up=0) == kept
    assert deployed.release(names=("app",)).watch().decision is Decision.PROMOTE
    assert keeper(deployed)["data"]["format"] == "2"


def test_the_record_of_an_older_driver_does_not_say_what_its_last_look_waited_for(deployed: Story) -> None:
    deployed.counts.problem[Variant.CANARY] = "no answer"
    with pytest.raises(TimedOutError):
        deployed.release(names=("app",), max_duration=4).watch()
    canaries = {"app": deployed.deployment("app-canary")}
    kept = read_record(deployed.cluster, canaries, warm_up=0)
    assert kept
    assert kept.last_look
    missing = ", ".join(sorted(kept.last_look.missing))
    assert (kept.last_look.interval, kept.last_look.waiting_for) == (2, "app-canary: 0 of 50 requests")
    assert missing.count("app-canary-") == 2

    data = keeper(deployed)["data"]
    counts = json.loads(data["counts.json"])
    del counts["last_look"]
    deployed.cluster.replace(keeper(deployed) | {"data": data | {"counts.json": json.dumps(counts)}})
    assert read_record(deployed.cluster, canaries, warm_up=0) == replace(kept, last_look=None)


def test_what_a_driver_recalls_of_an_older_one_has_its_counts(deployed: Story) -> None:
    deployed.release(names=("app",)).watch()
    data = keeper(deployed)["data"]
    counts = json.loads(data["counts.json"])
    del counts["compared_by"]
    counts["strata"] = []
    deployed.cluster.replace(keeper(deployed) | {"data": data | {"counts.json": json.dumps(counts)}})
    [before] = deployed.heard(Judged)
    deployed.events.clear()
    deployed.release(names=("app",), min_duration=0).watch()
    [recalled] = deployed.heard(Recalled)
    assert recalled.verdict.comparisons[0].canary == before.verdict.comparisons[0].canary
    assert recalled.verdict.comparisons[0].scrapes == before.verdict.comparisons[0].scrapes


def test_another_tolerance_is_judged_by_all_earlier_counts(deployed: Story) -> None:
    strict = replace(SUCCESS, tolerance=0.001)
    with pytest.raises(TimedOutError):
        deployed.release(names=("app",), measures=Measures.of([strict]), max_duration=60).watch()
    before = len(deployed.heard(Looked))
    verdict = deployed.release(names=("app",), measures=Measures.of([SUCCESS]), min_duration=0).watch()
    [comparison] = verdict.comparisons
    assert (comparison.tolerance, len(deployed.heard(Looked)) - before) == (SUCCESS.tolerance, 1)
    assert verdict.decision is Decision.PROMOTE
    assert comparison.scrapes == len(deployed.heard(Looked)) - 1  # at the first look, nothing had been counted yet


def test_a_relative_tolerance_goes_on_with_the_same_evidence_after_a_kill(deployed: Story) -> None:
    doubled = replace(SUCCESS, tolerance=Multiple(2.0))
    deployed.counts.each = 20
    with pytest.raises(TimedOutError):
        deployed.release(names=("app",), measures=Measures.of([doubled]), max_duration=8).watch()
    kept = json.loads(keeper(deployed)["data"]["counts.json"])
    assert kept["compared_by"]["metrics"][0]["tolerance"] == "2x"
    looks = len(deployed.heard(Looked))
    verdict = deployed.release(names=("app",), measures=Measures.of([doubled])).watch()
    [comparison] = verdict.comparisons
    assert verdict.decision is Decision.PROMOTE
    assert comparison.sentence.startswith("canary 10.0 % failed vs baseline 10.0 %: equal (at most ")
    assert comparison.scrapes is not None
    assert comparison.scrapes > looks - 1 > 2


def test_a_relative_tolerance_in_place_of_an_absolute_one_is_judged_by_all_earlier_counts(deployed: Story) -> None:
    deployed.release(names=("app",), measures=Measures.of([SUCCESS])).watch()
    looks = len(deployed.heard(Looked))
    doubled = replace(SUCCESS, tolerance=Multiple(2.0))
    [comparison] = deployed.release(names=("app",), measures=Measures.of([doubled])).watch().comparisons
    assert comparison.decision is Decision.PROMOTE
    assert comparison.scrapes is not None
    assert comparison.scrapes >= looks


# Size, and what a large one looks like


class Shelf:
    """A cluster that has one ConfigMap at most."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] | None = None

    def apply(self, obj: dict[str, Any]) -> dict[str, Any]:
        self.kept = json.loads(json.dumps(obj))
        return obj

    def get(self, *_: Any) -> dict[str, Any] | None:
        return self.kept


CANARY = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": NAME.removesuffix("-counts"), "uid": "of-the-canary"},
}
MEASURES = Measures.of(
    [
        SUCCESS,
        Metric.latency("fast", "request_duration_seconds", 0.25, 0.02),
        Metric.share("checkout", 'orders_total{status="paid"}', "orders_total", 0.01),
    ],
    "request_duration_seconds",
)
BOUNDS = [*(0.005 * 2**n for n in range(15)), float("inf")]


def fleet(pods: int, seed: int, looks: int = 1) -> Record:
    """Return what is known of so many pods, half canary and half baseline, that answer at random."""
    chance = random.Random(seed)
    uids = [str(chance.randbytes(16).hex()) for _ in range(pods)]
    counts = {uid: [float(chance.randrange(100_000, 999_999)) for _ in MEASURES.metrics] for uid in uids}
    record = Record(1.7e9, Tally(0), Decision.PROMOTE, "canary 95.0 % good vs baseline 95.0 %: equal")
    for look in range(1, looks + 1):
        scrapes = []
        for n, uid in enumerate(uids):
            variant = Variant.CANARY if n % 2 else Variant.BASELINE
            pod = Pod(f"app-{variant}-{n}", "shop", f"{uid[:8]}-{uid[8:12]}-{uid[12:]}", "app", variant, 8000, 0.0)
            counters: dict[str, float] = {}
            for metric, total in zip(MEASURES.metrics, counts[uid], strict=True):
                counters |= {total_key(metric): total * look, good_key(metric): float(chance.randrange(int(total)))}
            counters |= {bucket_key(bound): chance.randrange(1_000_000) * 1.0 for bound in BOUNDS}
            at = 1.7e9 + 5 * look + chance.random()
            scrapes.append(Scrape(pod, at, counters, started=1.69e9 + chance.random()))
        record = record.looked(1.7e9 + 5 * look, record.tally.add(scrapes, MEASURES), complete=True)
    return record


def size(shelf: Shelf) -> int:
    return len(json.dumps(shelf.kept).encode())


@pytest.mark.parametrize(("pods", "most"), [(10, 64), (600, 160), (1000, 256)])
def test_a_thousand_pods_with_several_metrics_and_latencies_fit_easily(pods: int, most: int) -> None:
    shelf = Shelf()
    CountsWriter(shelf).write("app", CANARY, fleet(pods, seed=pods))  # type: ignore[arg-type]
    assert 1 < size(shelf) / KIB < most


def test_what_is_compressed_is_read_again_and_by_gunzip(deployed: Story) -> None:
    shelf, record = Shelf(), fleet(500, seed=1, looks=3)
    CountsWriter(shelf).write("app", CANARY, record)  # type: ignore[arg-type]
    assert shelf.kept is not None
    assert "counts.json" not in shelf.kept["data"]
    packed = base64.b64decode(shelf.kept["binaryData"]["counts.json.gz"])
    assert json.loads(gzip.decompress(packed))["watched_since"] == 1.7e9
    read = read_record(shelf, {"app": CANARY}, warm_up=0)  # type: ignore[arg-type]
    assert read is not None
    assert (read.decision, read.sentence, read.watched, read.seen_at) == (
        record.decision,
        record.sentence,
        10,
        record.seen_at,
    )
    assert read.histories == record.histories
    for variant in (Variant.CANARY, Variant.BASELINE):
        for metric in MEASURES.metrics:
            assert read.tally.evidence("app", variant, metric) == record.tally.evidence("app", variant, metric)
        assert read.tally.quantile("app", variant, 0.9) == record.tally.quantile("app", variant, 0.9)
    assert read.tally.as_json("app") == record.tally.as_json("app")


def test_what_shrinks_again_is_readable_again_and_leaves_nothing_behind(deployed: Story) -> None:
    canary = deployed.deployment("app-canary")
    writer = CountsWriter(deployed.cluster)
    writer.write("app", canary, fleet(500, seed=1))
    assert keeper(deployed).get("binaryData")
    writer.write("app", canary, fleet(5, seed=2))
    assert not keeper(deployed).get("binaryData")
    assert json.loads(keeper(deployed)["data"]["counts.json"])["processes"]
