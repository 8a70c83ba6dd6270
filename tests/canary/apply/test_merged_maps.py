"""A rehearsal tells what promote makes of an object, whoever wrote it before."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from canary.apply.dry_run import DryRun
from canary.apply.managed_fields import with_last_applied
from canary.apply.merged_maps import with_merged_maps
from canary.events import Differs
from canary.manifests.difference import is_same
from canary.objects import SERVICE, Kind
from tests.canary.story import Story, config_map, deployment, service

Object = dict[str, Any]


def secret(**values: str) -> Object:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}, "stringData": values}


def with_env(**values: str) -> Object:
    made = deployment("app:1")
    container = made["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [{"name": name, "value": value} for name, value in values.items()]
    return made


def ports(*numbers: int) -> Object:
    made = service()
    made["spec"]["ports"] = [{"name": f"p{number}", "port": number} for number in numbers]
    return made


def marked(**labels: str) -> Object:
    made = config_map(a="1")
    made["metadata"] |= {"labels": labels, "annotations": dict.fromkeys(labels, "x")}
    return made


def strategy(**spec: Any) -> Object:
    return deployment("app:1", **spec)


def containers(*names: str) -> Object:
    made = deployment("app:1")
    made["spec"]["template"]["spec"]["containers"] = [{"name": name, "image": f"{name}:1"} for name in names]
    return made


CASES = [
    pytest.param(config_map(a="1", b="2"), config_map(a="3"), id="a key goes and one changes"),
    pytest.param(config_map(a="1"), config_map(), id="the last key goes"),
    pytest.param(secret(a="1", b="2"), secret(a="3"), id="a Secret's"),
    pytest.param(marked(a="1", b="2"), marked(b="3"), id="labels and annotations"),
    pytest.param(with_env(A="1", B="2"), with_env(B="3"), id="a variable"),
    pytest.param(with_env(A="1"), deployment("app:1"), id="all variables"),
    pytest.param(ports(80, 81, 82), ports(82, 80), id="ports that leave their protocol out"),
    pytest.param(strategy(strategy={"type": "Recreate"}), strategy(), id="what has a default"),
    pytest.param(
        strategy(strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 2, "maxUnavailable": 0}}),
        strategy(strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 2}}),
        id="one of two that have defaults",
    ),
    pytest.param(deployment("app:1", replicas=3), deployment("app:2", replicas=3), id="nothing goes"),
    pytest.param(containers("a", "b"), containers("b", "a"), id="containers in another order"),
    pytest.param(containers("a", "b"), containers("c", "b"), id="a container for another"),
]


@pytest.mark.parametrize("manager", ["kubectl-client-side-apply", "helm", "canary", "injector"])
@pytest.mark.parametrize(("old", "new"), CASES)
def test_a_rehearsal_tells_what_promote_makes(story: Story, manager: str, old: Object, new: Object) -> None:
    kind, name = Kind.of(old), old["metadata"]["name"]
    if manager == "kubectl-client-side-apply":
        body = with_last_applied(old)
        story.create_as(manager, body)
    elif manager == "canary":
        story.cluster.apply(with_last_applied(old))
    elif manager == "helm":  # as its version 4 does
        story.apply_as(manager, old)
    else:
        story.apply_as(manager, old)
        story.cluster.apply(with_last_applied(old))
    story.simulator.settle()  # what controllers write meanwhile is no write of the rehearsal
    version = (story.cluster.get(kind, name) or {})["metadata"]["resourceVersion"]

    told = DryRun(story.cluster, demanded=True).change(new)

    assert (story.cluster.get(kind, name) or {})["metadata"]["resourceVersion"] == version
    story.release(new).apply()
    made = story.cluster.get(kind, name) or {}
    made["metadata"].get("annotations", {}).pop("deployment.kubernetes.io/revision", None)
    told.planned["metadata"].get("annotations", {}).pop("deployment.kubernetes.io/revision", None)
    assert is_same(told.planned, made)


@pytest.mark.parametrize("manager", ["kubectl-client-side-apply", "helm", "canary"])
def test_a_port_that_changes_under_its_name_is_rehearsed_whoever_wrote_it(story: Story, manager: str) -> None:
    story.stable(deployment("app:1"))
    story.create_as(manager, service(port=8080))
    story.release(service(port=9090), deployment("app:2")).deploy()
    [told] = story.heard(Differs)
    assert [line.split()[-1] for line in told.difference if "port: " in line] == ["8080", "9090"]
    story.release(service(port=9090), deployment("app:2")).promote()
    assert [port["port"] for port in (story.cluster.get(SERVICE, "app") or {})["spec"]["ports"]] == [9090]


@pytest.mark.parametrize(("old", "new"), CASES[:4])
def test_configuration_is_told_without_asking(story: Story, old: Object, new: Object) -> None:
    story.create_as("kubectl-create", old)
    live = story.cluster.get(Kind.of(old), old["metadata"]["name"]) or {}
    told = live | with_merged_maps(with_last_applied(new), live)
    story.release(new).apply()
    assert is_same(told, story.cluster.get(Kind.of(old), old["metadata"]["name"]) or {})


def test_what_another_manager_owns_as_well_stays() -> None:
    live = config_map(a="1", b="2")
    live["metadata"]["managedFields"] = [
        {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:data": {".": {}, "f:a": {}, "f:b": {}}}},
        {"manager": "operator", "operation": "Update", "fieldsV1": {"f:data": {"f:b": {}}}},
    ]
    assert with_merged_maps(config_map(), live)["data"] == {"b": "2"}
    assert with_merged_maps(config_map(b="3", c="4"), live)["data"] == {"b": "3", "c": "4"}


def test_a_secret_s_text_is_compared_as_the_api_server_keeps_it() -> None:
    live = {**secret(), "data": {"a": base64.b64encode(b"1").decode()}}
    del live["stringData"]
    assert with_merged_maps(secret(a="1"), live)["data"] == live["data"]
    assert "stringData" not in with_merged_maps(secret(a="2"), live)
