"""The scale subresource."""

from __future__ import annotations

from tests.localcluster.objects import deployment
from tests.localcluster.server import (
    DEPLOYMENTS,
    MERGE,
    Server,
)


def test_the_scale_is_read_and_written(server: Server) -> None:
    server.post(DEPLOYMENTS, deployment())
    scale = server.get(DEPLOYMENTS + "/web/scale")
    assert (scale["kind"], scale["spec"], scale["status"]["selector"]) == ("Scale", {"replicas": 1}, "app=web")
    scale["spec"]["replicas"] = 3
    assert server.call("PUT", DEPLOYMENTS + "/web/scale", scale).body["spec"]["replicas"] == 3
    assert server.call("PUT", DEPLOYMENTS + "/web/scale", scale).code == 409  # the resource version is outdated
    patched = server.call("PATCH", DEPLOYMENTS + "/web/scale", {"spec": {"replicas": 4}}, MERGE)
    assert patched.body["spec"]["replicas"] == server.get(DEPLOYMENTS + "/web")["spec"]["replicas"] == 4
    refused = server.call("PATCH", DEPLOYMENTS + "/web/scale", {"spec": {"replicas": -1}}, MERGE)
    assert refused.message == (
        'Scale.autoscaling "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0'
    )
