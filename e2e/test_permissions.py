"""Without any one permission of pipeline/rbac.yml, something fails or warns, and the message names the permission.

Commands run in this process, because the test is about the cluster's answers, not about starting Python.
"""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from canary.cli.main import run
from e2e.accounts import PROMOTE, RBAC, ROLES, ROUTE, SECRET, WATCH, log_in, secret
from e2e.cluster import Namespace
from e2e.gateway import accept_route, serves_routes

pytestmark = [
    pytest.mark.skipif("E2E_KUBECONFIG" not in os.environ, reason="localcluster has no RBAC"),
    pytest.mark.timeout(300),
]

LEFT = (
    "configmap/sampleapp-before",
    "configmap/sampleapp-canary-counts",
    "configmap/sampleapp-rollback",
    "secret/sampleapp-before",
    "secret/sampleapp-rollback",
    "lease/sampleapp-canary",
    f"secret/{SECRET}-canary",
)


@dataclass(frozen=True)
class Permission:
    """One verb of one resource in one rule of a Role.

    Attributes:
        role: name of the Role.
        rule: which of its rules.
        resource: with its subresource.
        verb: what it allows.
    """

    role: str
    rule: int
    resource: str
    verb: str

    def __str__(self) -> str:
        names = ROLES[self.role]["rules"][self.rule].get("resourceNames", ["any"])
        return f"{self.role}: {self.verb} {self.resource} {'|'.join(names)}"

    @property
    def promotes(self) -> bool:
        """Whether it is one of those that only who promotes has."""
        return self.role.startswith(PROMOTE)

    def named_in(self, text: str) -> bool:
        """Return whether a message says, in the API server's words or in ours, that this is missing."""
        text = "\n".join(
            line for line in text.splitlines() if "and so cannot promote" not in line
        )  # which all are told
        group = next(iter(ROLES[self.role]["rules"][self.rule]["apiGroups"]))
        resource, _, subresource = self.resource.partition("/")
        ours = (f"{resource}.{group}" if group else resource) + (f"/{subresource}" if subresource else "")
        theirs = f'cannot {self.verb} resource "{self.resource}"'
        return theirs in text or re.search(rf"\b{self.verb} {re.escape(ours)}(?![\w/.])", text) is not None

    def taken_from(self, role: dict[str, Any]) -> dict[str, Any]:
        """Return the Role without it."""
        rule = role["rules"][self.rule]
        others = [one for one in rule["resources"] if one != self.resource]
        fewer = [one for one in rule["verbs"] if one != self.verb]
        rules = [*role["rules"][: self.rule], *role["rules"][self.rule + 1 :]]
        rules += [rule | {"resources": others}] if others else []
        rules += [rule | {"resources": [self.resource], "verbs": fewer}] if fewer else []
        return role | {"rules": rules}


PERMISSIONS = [
    Permission(name, index, resource, verb)
    for name, role in ROLES.items()
    for index, rule in enumerate(role["rules"])
    for resource in rule["resources"]
    for verb in rule["verbs"]
]


def binding(name: str, role: str, account: str) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account}],
    }


@dataclass
class Stage:
    """A namespace with stable, and for each permission an account that lacks only this one.

    Attributes:
        namespace: as an administrator sees it.
        manifests: of stable.
        changed: the same with another Secret.
    """

    namespace: Namespace
    manifests: Path
    changed: Path

    def account(self, permission: Permission) -> str:
        return f"without-{PERMISSIONS.index(permission)}"


@pytest.fixture(scope="module")
def stage(
    kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory, sample: dict[str, dict[str, Any]]
) -> Iterator[Stage]:
    """Give the stage, and delete it afterwards."""
    folder = tmp_path_factory.mktemp("rights")
    objects = copy.deepcopy(sample)
    objects["Deployment"]["spec"]["replicas"] = 2
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    pod["terminationGracePeriodSeconds"] = 1
    (container,) = pod["containers"]
    del container["lifecycle"]  # nobody's requests are lost here
    container["envFrom"] = [{"secretRef": {"name": SECRET}}]
    folders = []
    for colour in ("red", "blue"):
        objects["Secret"] = secret(colour)
        folders.append(folder / colour)
        folders[-1].mkdir()
        for kind, obj in objects.items():
            (folders[-1] / f"{kind.lower()}.yml").write_text(yaml.safe_dump(obj))
    manifests, changed = folders
    namespace = Namespace(f"e2e-rights-{os.getpid()}", kubeconfig, folder)
    namespace.kubectl("create", "namespace", namespace.name)
    stage = Stage(namespace, manifests, changed)
    try:
        namespace.kubectl("apply", "-f", str(RBAC))
        accounts: list[dict[str, Any]] = []
        for one in PERMISSIONS:
            account = stage.account(one)
            accounts.append({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}})
            accounts.append(one.taken_from(ROLES[one.role]) | {"metadata": {"name": account}})
            accounts.append(binding(account, account, account))
            has = {name for name in ROLES if one.promotes or not name.startswith(PROMOTE)} - {one.role, ROUTE}
            accounts += [binding(f"{account}-{role}", role, account) for role in has]
        namespace.apply(*accounts)
        namespace.canary("apply", str(manifests), "--image", "sampleapp:10")
        yield stage
    finally:
        namespace.kubectl("delete", "namespace", namespace.name, "--wait=false")


@dataclass
class Actor:
    """Runs `canary` in this process, as an account that lacks a permission, and keeps its output.

    Attributes:
        stage: where.
        kubeconfig: of the account.
        lacks: the permission; None for who has all.
        capsys: catches what is said.
        said: all that was said.
        code: how the last command ended.
    """

    stage: Stage
    kubeconfig: Path
    lacks: Permission | None
    capsys: pytest.CaptureFixture[str]
    said: str = ""
    code: int = 0

    def __call__(self, command: str, *arguments: str) -> None:
        """Run a command, unless an earlier one has told already what is missing."""
        if self.code == 3 or (self.lacks and self.lacks.named_in(self.said)):
            return
        where = ("--kubeconfig", str(self.kubeconfig), "--namespace", self.stage.namespace.name)
        self.code = run([command, *where, *arguments])
        out, err = self.capsys.readouterr()
        self.said += f"$ canary {command} {' '.join(arguments)}\n{out}{err}"
        assert self.code != 70, self.said


def release_cycle(do: Actor) -> None:
    """Deploy, grow, watch and reject."""
    release = (str(do.stage.changed), "--image", "sampleapp:20")
    do("status", "sampleapp")
    do("deploy", *release, "--percentage", "50")
    do("watch", "sampleapp", *WATCH, "--max-duration", "1s")
    do("status")
    do("deploy", *release, "--percentage", "100")
    do("reject", "sampleapp")


def release_after_a_copy(do: Actor) -> None:
    """The same, with a copy of the Secret from an earlier release."""
    owner = do.stage.namespace.get("configmap", "kube-root-ca.crt")  # lives, so that nobody collects the copy
    assert owner is not None
    left = secret("green")
    left["metadata"] = {
        "name": f"{SECRET}-canary",
        "annotations": {"canary-lab/digest": "of another release"},
        "ownerReferences": [
            {"apiVersion": "v1", "kind": "ConfigMap", "name": "kube-root-ca.crt", "uid": owner["metadata"]["uid"]}
        ],
    }
    do.stage.namespace.apply(left)
    release_cycle(do)


def promotion(do: Actor) -> None:
    """Promote the deployed canary."""
    release = (str(do.stage.changed), "--image", "sampleapp:20")
    do.stage.namespace.canary("deploy", *release, "--percentage", "50")
    do("promote", *release)


def undone_promotion(do: Actor) -> None:
    """Promote a version that never becomes ready."""
    do("promote", str(do.stage.changed), "--image", "sampleapp:missing", "--unproven", "--timeout", "1s")


def rolled_back(do: Actor) -> None:
    """Roll the promote back."""
    do.stage.namespace.canary("promote", str(do.stage.changed), "--image", "sampleapp:20", "--unproven")
    do("rollback", "sampleapp")


def release_by_route(do: Actor) -> None:
    """Deploy by a route, and reject."""
    accept_route(do.stage.namespace)
    release = (str(do.stage.changed), "--image", "sampleapp:20")
    do("deploy", *release, "--percentage", "25", "--traffic", "gateway", "--route", "sampleapp")
    do("reject", "sampleapp")


def without_stable(story: Callable[[Actor], None]) -> Callable[[Actor], None]:
    """Return the same without stable and without its configuration."""

    def told(do: Actor) -> None:
        do.stage.namespace.kubectl("delete", "deployment/sampleapp", "service/sampleapp", f"secret/{SECRET}")
        story(do)

    return told


def story(permission: Permission) -> Callable[[Actor], None]:
    """Return the action that needs a permission."""
    rule = ROLES[permission.role]["rules"][permission.rule]
    if permission.role == ROUTE:
        return release_by_route
    if "sampleapp-rollback" in rule.get("resourceNames", []):
        return rolled_back
    if "sampleapp-before" in rule.get("resourceNames", []) and permission.promotes:
        return undone_promotion
    match permission.promotes, permission.verb, permission.resource:
        case True, "delete", _:
            return without_stable(undone_promotion)
        case True, _, _:
            return promotion
        case False, "create", "services":
            return without_stable(release_cycle)
        case False, "delete", "secrets":
            return release_after_a_copy
    return release_cycle


@pytest.fixture
def actor(
    request: pytest.FixtureRequest, stage: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Actor]:
    """Give an actor without the test's permission, and restore everything afterwards."""
    permission: Permission = request.param
    monkeypatch.chdir(stage.namespace.folder)
    account = log_in(stage.namespace, stage.account(permission))
    yield Actor(stage, account.kubeconfig, permission, capsys)
    admin = Actor(stage, stage.namespace.kubeconfig, None, capsys)
    admin("reject", "sampleapp", "--break-lock")
    stage.namespace.kubectl("delete", *LEFT, "--ignore-not-found")
    if permission.role == ROUTE and serves_routes(stage.namespace):
        stage.namespace.kubectl("delete", "httproute", "sampleapp", "--ignore-not-found")
    admin("apply", str(stage.manifests), "--image", "sampleapp:10")
    assert admin.code == 0, admin.said


@pytest.mark.parametrize(("actor", "permission"), [(p, p) for p in PERMISSIONS], indirect=["actor"], ids=str)
def test_the_message_names_the_missing_permission(actor: Actor, permission: Permission) -> None:
    if permission.resource == "verticalpodautoscalers":
        pytest.skip("this cluster has no VerticalPodAutoscalers, which are an addition to Kubernetes")
    if permission.role == ROUTE and not serves_routes(actor.stage.namespace):
        pytest.skip("this cluster has no Gateway API, which is an addition to Kubernetes")
    story(permission)(actor)
    assert permission.named_in(actor.said), f"nothing takes it, or nobody says that it is missing:\n{actor.said}"
