"""Volumes: their content, and what happens when it is missing."""

from __future__ import annotations

from typing import Any

from tests.localcluster.cluster import Namespace, until
from tests.localcluster.objects import pod, script
from tests.localcluster.pods import logs, waiting_reason

Object = dict[str, Any]


def test_a_changed_config_map_reaches_running_pods(namespace: Namespace) -> None:
    settings: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "s"}, "data": {"a": "one"}}
    namespace.apply(settings)
    main = script("while sleep 0.1; do cat s/a; echo; done", volumeMounts=[{"name": "s", "mountPath": "/srv/s"}])
    namespace.apply(pod("reader", main, volumes=[{"name": "s", "configMap": {"name": "s"}}]))
    until("the pod sees one", lambda: "one\n" in logs(namespace, "reader"))
    namespace.apply({**settings, "data": {"a": "two"}})
    until("the pod sees two", lambda: "two\n" in logs(namespace, "reader"))


def test_an_event_names_the_missing_config_map_of_a_volume(namespace: Namespace) -> None:
    namespace.apply(pod("waiting", volumes=[{"name": "v", "configMap": {"name": "absent"}}]))
    said = until("there is an event", lambda: namespace.events("waiting", "FailedMount"))
    assert said == ['MountVolume.SetUp failed for volume "v" : configmap "absent" not found']
    assert waiting_reason(namespace.get("pod", "waiting"), "web") == "ContainerCreating"
