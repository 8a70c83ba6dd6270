"""Startup, liveness and readiness probes."""

from __future__ import annotations

from tests.localcluster.cluster import Namespace, until
from tests.localcluster.objects import container, pod, script, service
from tests.localcluster.pods import is_ready, state, workdir


def test_a_pod_is_ready_while_its_readiness_probe_succeeds(namespace: Namespace) -> None:
    namespace.apply(pod("web"), service())
    found = namespace.pod("web", is_ready)
    folder = workdir(namespace, found, "web")
    (folder / "unready").touch()
    namespace.pod("web", lambda p: not is_ready(p))
    assert until("there is an event", lambda: namespace.events("web", "Unhealthy"))[-1].startswith(
        "Readiness probe failed: "
    )
    (slice_,) = namespace.list("endpointslices")
    assert slice_["endpoints"][0]["conditions"] == {"ready": False, "serving": False, "terminating": False}
    (folder / "unready").unlink()
    again = namespace.pod("web", is_ready)
    assert state(again, "web")["restartCount"] == 0


def test_a_failing_liveness_probe_restarts_the_container(namespace: Namespace) -> None:
    probe = {"exec": {"command": ["/bin/sh", "-c", "echo sick; exit 1"]}, "periodSeconds": 1, "failureThreshold": 2}
    namespace.apply(pod("sick", script("sleep 60", livenessProbe=probe)))
    namespace.pod("sick", lambda p: state(p).get("restartCount", 0) > 0)
    assert "Liveness probe failed: sick" in namespace.events("sick", "Unhealthy")
    assert "Container main failed liveness probe, will be restarted" in namespace.events("sick", "Killing")


def test_other_probes_wait_for_the_startup_probe(namespace: Namespace) -> None:
    startup = {"exec": {"command": ["/bin/sh", "-c", "test -e started"]}, "periodSeconds": 1, "failureThreshold": 60}
    liveness = {"tcpSocket": {"port": 8080}, "periodSeconds": 1, "failureThreshold": 1}
    namespace.apply(pod("slow", container(startupProbe=startup, livenessProbe=liveness)))
    found = namespace.pod("slow", lambda p: state(p, "web")["state"].get("running"))
    assert (state(found, "web")["started"], state(found, "web")["ready"]) == (False, False)
    (workdir(namespace, found, "web") / "started").touch()
    ready = namespace.pod("slow", is_ready)
    assert (state(ready, "web")["started"], state(ready, "web")["restartCount"]) == (True, 0)
