"""What pipeline/ has for a cluster: Roles that grant what `canary doctor` asks about, no more, and the image."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from canary import __version__
from canary.doctor.rights import (
    CONSOLE,
    PODS,
    SECRETS_BEFORE,
    WORKLOAD,
    Right,
    Task,
    each,
    of_configuration,
    of_object,
    of_route,
)

PIPELINE = Path(__file__).parents[3] / "pipeline"
NAME = "sampleapp"
RIGHTS = [*(right.of(NAME) for right in WORKLOAD), *of_object("", "services", NAME), PODS]
SECRET = f"{NAME}-settings"
OF_SECRETS = [
    *of_object("", "secrets", SECRET),
    *of_configuration("secrets", SECRET),
    *(right.of(NAME) for right in SECRETS_BEFORE),
]

Grant = tuple[str, str, str, str]
"""Group, resource, verb and name (empty: any)."""


def granted(file: str, *roles: str) -> set[Grant]:
    found = [d for d in yaml.safe_load_all((PIPELINE / file).read_text()) if d["kind"] == "Role"]
    assert {d["metadata"]["name"] for d in found} >= set(roles)
    return {
        (group, resource, verb, name)
        for role in found
        if role["metadata"]["name"] in roles
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [""])
    }


def needed(rights: Iterable[Right]) -> set[Grant]:
    return {(right.group, right.resource, verb, name) for right, verb, name in each(rights)}


@pytest.mark.parametrize(
    ("role", "rights", "tasks"),
    [
        ("sampleapp-deploy", RIGHTS, (Task.DEPLOY, Task.LOOK, Task.NOTIFY)),
        ("sampleapp-promote", RIGHTS, (Task.PROMOTE,)),
        ("sampleapp-read-pods", RIGHTS, (Task.METRICS,)),
        ("sampleapp-deploy-secrets", OF_SECRETS, (Task.DEPLOY,)),
        ("sampleapp-promote-secrets", OF_SECRETS, (Task.PROMOTE,)),
        ("sampleapp-route", [right.of(NAME) for right in of_route(NAME)], (Task.ROUTE,)),
    ],
)
def test_a_role_grants_what_its_tasks_take(role: str, rights: list[Right], tasks: tuple[Task, ...]) -> None:
    wanted = needed(right for right in rights if right.task in tasks)
    if Task.PROMOTE in tasks:  # who promotes has the other role, too
        wanted -= granted("rbac.yml", role.replace("promote", "deploy"))
    if Task.ROUTE in tasks:
        wanted -= granted("rbac.yml", "sampleapp-deploy")
    assert granted("rbac.yml", role) == wanted


@pytest.mark.parametrize(("role", "task"), [("sampleapp-view", Task.VIEW), ("sampleapp-decide", Task.DECIDE)])
def test_a_role_of_a_console_grants_what_its_task_takes(role: str, task: Task) -> None:
    assert granted("rbac-console.yml", role) == needed(right.of(NAME) for right in CONSOLE if right.task is task)


def test_a_console_needs_less_than_who_deploys() -> None:
    assert needed(right.of(NAME) for right in CONSOLE) < granted("rbac.yml", "sampleapp-deploy")


def test_the_deploy_role_writes_nothing_that_is_called_what_stable_is_called() -> None:
    writes = {one for one in granted("rbac.yml", "sampleapp-deploy") if one[2] not in ("get", "list", "create")}
    assert writes
    assert {name for _, _, _, name in writes} == {f"{NAME}-canary", f"{NAME}-baseline", f"{NAME}-canary-counts"}


def test_the_reaper_may_do_less_than_who_deploys() -> None:
    reaper = granted("reaper.yml", "canary-reaper")
    assert reaper < granted("rbac.yml", "sampleapp-deploy")
    assert not any(verb == "patch" for _, _, verb, _ in reaper)


@pytest.mark.parametrize("file", ["job.yml", "reaper.yml"])
def test_what_runs_in_the_cluster_is_this_version(file: str) -> None:
    images = re.findall(r"image: (\S+)", (PIPELINE / file).read_text())
    assert images == [f"canary-lab/canary:{__version__}"]


@pytest.mark.parametrize("file", ["job.yml", "reaper.yml"])
def test_no_service_of_the_namespace_sets_variables_of_the_driver(file: str) -> None:
    *_, job = yaml.safe_load_all((PIPELINE / file).read_text())
    job = job["spec"].get("jobTemplate", job)
    assert job["spec"]["template"]["spec"]["enableServiceLinks"] is False
