"""The defaults of missing fields."""

from __future__ import annotations

from tests.localcluster.server import (
    DEPLOYMENTS,
    Server,
)


def test_defaults_are_those_of_kubernetes(server: Server) -> None:
    container_spec = {"name": "c", "image": "nginx", "ports": [{"containerPort": 80}]}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container_spec]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    made = server.post(
        DEPLOYMENTS, {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "w"}, "spec": spec}
    )
    assert made["spec"] == {
        "replicas": 1,
        "selector": {"matchLabels": {"a": "b"}},
        "template": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {
                "containers": [
                    {
                        "name": "c",
                        "image": "nginx",
                        "ports": [{"containerPort": 80, "protocol": "TCP"}],
                        "resources": {},
                        "terminationMessagePath": "/dev/termination-log",
                        "terminationMessagePolicy": "File",
                        "imagePullPolicy": "Always",
                    }
                ],
                "restartPolicy": "Always",
                "terminationGracePeriodSeconds": 30,
                "dnsPolicy": "ClusterFirst",
                "securityContext": {},
                "schedulerName": "default-scheduler",
            },
        },
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}},
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
    }


def test_string_data_of_a_secret_becomes_data(server: Server) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "1"}}
    made = server.post("/api/v1/namespaces/default/secrets", secret)
    assert (made["data"], made["type"], "stringData" in made) == ({"a": "MQ=="}, "Opaque", False)
