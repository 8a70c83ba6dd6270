"""What the cluster does to pods is not held against a canary: the verdict waits until they are replaced."""

from __future__ import annotations

from typing import Any

import pytest

from canary.errors import TimedOutError
from canary.events import Looked
from canary.marks import Variant
from canary.objects import POD
from canary.observe.disruption import is_disrupted
from canary.verdict.comparison import Decision
from tests.canary.cluster_simulator import failed, ready, unready
from tests.canary.story import Story, deployment, service

LOW = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 60Mi. "
NEW = (service(), deployment("app:2"))


@pytest.fixture
def deployed(story: Story) -> Story:
    story.stable(service(), deployment("app:1"))
    story.release(*NEW).deploy()
    return story


def end(story: Story, variant: str, reason: str, message: str = "") -> None:
    """End one live pod of a variant; its replacement takes its time."""
    pods = [pod for pod in story.cluster.find(POD) if pod["metadata"]["name"].startswith(f"app-{variant}-")]
    pod = next(pod for pod in pods if pod["status"]["phase"] == "Running")
    image = pod["spec"]["containers"][0]["image"]
    story.simulator.script[image] = unready
    story.simulator.set_status(story.namespace, pod["metadata"]["name"], failed(reason, message))
    story.simulator.settle()


def replace(story: Story, variant: str) -> None:
    """Let the replacements of a variant get ready."""
    for pod in story.cluster.find(POD):
        if pod["metadata"]["name"].startswith(f"app-{variant}-") and pod["status"]["phase"] == "Running":
            story.simulator.set_status(story.namespace, pod["metadata"]["name"], ready)


def sentences(story: Story) -> list[str]:
    """Return what the looks said that were held up by the cluster."""
    return [look.verdict.sentence for look in story.heard(Looked) if "the cluster ended" in look.verdict.sentence]


@pytest.mark.parametrize(
    ("variant", "reason", "message"),
    [
        ("canary", "Preempting", "Preempted in order to admit critical pod"),
        ("baseline", "Terminated", "Pod was terminated in response to imminent node shutdown."),
        ("canary", "Evicted", LOW),
    ],
)
def test_a_pod_that_the_cluster_ends_holds_the_verdict_until_it_is_replaced(
    deployed: Story, variant: str, reason: str, message: str
) -> None:
    end(deployed, variant, reason, message)
    deployed.clock.after(30, lambda: replace(deployed, variant))

    verdict = deployed.release(names=("app",)).watch()

    assert verdict.decision is Decision.PROMOTE
    said = sentences(deployed)
    assert len(said) > 5
    assert f"({reason}: {message.strip()}), not the version's fault: waiting for a replacement" in said[0]
    assert all(look.verdict.decision is Decision.UNDECIDED for look in deployed.heard(Looked)[: len(said)])


def test_a_worse_canary_is_rejected_only_when_the_pod_is_replaced(deployed: Story) -> None:
    deployed.counts.good[Variant.CANARY] = 0.1
    end(deployed, "canary", "Preempting")
    deployed.clock.after(20, lambda: replace(deployed, "canary"))
    began = deployed.clock.now()
    assert deployed.release(names=("app",)).watch().decision is Decision.REJECT
    assert deployed.clock.now() - began >= 20


def test_a_pod_that_is_not_replaced_leaves_the_release_undecided(deployed: Story) -> None:
    end(deployed, "canary", "OutOfmemory", "Node didn't have enough resource: memory")
    with pytest.raises(TimedOutError, match=r"undecided after 30 s: the cluster ended pod app-canary-\S+ \(OutOfmem"):
        deployed.release(names=("app",), max_duration=30).watch()


def test_a_pod_that_was_replaced_holds_nothing_up_later(deployed: Story) -> None:
    end(deployed, "canary", "Preempting")
    deployed.clock.after(4, lambda: replace(deployed, "canary"))
    deployed.clock.after(8, lambda: deployed.simulator.set_status(deployed.namespace, "app-canary", unready_if_running))
    deployed.clock.after(30, lambda: replace(deployed, "canary"))
    assert deployed.release(names=("app",), min_duration=20).watch().decision is Decision.PROMOTE
    assert len(sentences(deployed)) < 5


def unready_if_running(status: dict[str, Any]) -> dict[str, Any]:
    return unready(status) if status["phase"] == "Running" else status


def test_an_eviction_that_repeats_while_the_baseline_stays_rejects_the_canary(deployed: Story) -> None:
    end(deployed, "canary", "Evicted", LOW)
    deployed.clock.after(10, lambda: end(deployed, "canary", "Evicted", LOW))
    verdict = deployed.release(names=("app",)).watch()
    assert verdict.decision is Decision.REJECT
    assert verdict.sentence.startswith(
        "2 pods of app-canary failed, none of the baseline's did; the last: Evicted: The"
    )
    assert sentences(deployed)  # the first one was held


def test_evictions_of_canary_and_baseline_are_the_clusters_doing(deployed: Story) -> None:
    for variant in ("canary", "canary", "baseline"):
        end(deployed, variant, "Evicted", LOW)
    deployed.clock.after(10, lambda: replace(deployed, "canary"))
    deployed.clock.after(10, lambda: replace(deployed, "baseline"))
    assert deployed.release(names=("app",)).watch().decision is Decision.PROMOTE


def test_a_disrupted_baseline_does_not_excuse_a_canary_that_died(deployed: Story) -> None:
    end(deployed, "baseline", "Preempting")
    end(deployed, "canary", "Evicted", "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. ")
    verdict = deployed.release(names=("app",)).watch()
    assert verdict.decision is Decision.REJECT
    assert "failed: Evicted: Pod ephemeral local storage usage exceeds the total limit" in verdict.sentence


@pytest.mark.parametrize(
    ("disrupted", "status"),
    [
        (True, {"reason": "NodeShutdown", "message": "Pod was rejected as the node is shutting down."}),
        (True, {"reason": "UnexpectedAdmissionError"}),
        (True, {"reason": "TopologyAffinityError"}),
        (True, {"reason": "OutOfpods"}),
        (True, {"reason": "NodeAffinity", "message": "Predicate NodeAffinity failed"}),
        (True, {"reason": "Evicted", "message": "The node had condition: [DiskPressure]. "}),
        (True, {"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC"}]}),
        (False, {"reason": "Evicted", "message": 'Container app exceeded its local ephemeral storage limit "1Gi". '}),
        (False, {"reason": "Evicted", "message": 'Usage of EmptyDir volume "cache" exceeds the limit "1Gi". '}),
        (False, {"reason": "Evicted"}),
        (False, {"reason": "SysctlForbidden"}),
        (False, {"reason": "DeadlineExceeded"}),
        (False, {}),
        (False, {"reason": "Preempting", "phase": "Running"}),
    ],
)
def test_the_clusters_doing_is_told_from_the_apps(disrupted: bool, status: dict[str, Any]) -> None:
    assert is_disrupted({"metadata": {"name": "app"}, "status": {"phase": "Failed", **status}}) is disrupted
