"""What stands in for actions of others: only what GitHub, a registry or a cloud alone can provide.

Each has the inputs that its action.yml documents at the commit that the workflows pin. Another input is an error, and
so is a job that lacks a permission that the action needs.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.pipelines.github.workflow import WorkflowError

if TYPE_CHECKING:
    from tests.pipelines.github.machine import Machine

Inputs = Mapping[str, str]
Outputs = Mapping[str, str]


@dataclass(frozen=True)
class Action:
    """An action of others.

    Attributes:
        inputs: the documented names, separated by spaces.
        stand_in: what it does instead; returns the outputs.
        required: names of the inputs that must not be empty, separated by spaces.
        permissions: that the job's token needs.
    """

    inputs: str
    stand_in: Callable[[Machine, Inputs], Outputs]
    required: str = ""
    permissions: Mapping[str, str] = field(default_factory=dict)


def run_action(name: str, inputs: Inputs, permissions: Mapping[str, str], machine: Machine) -> Outputs:
    """Check an action's inputs and permissions, do what stands in for it, and return its outputs."""
    action = ACTIONS.get(name)
    if action is None:
        raise WorkflowError(f"unknown action {name}")
    if unknown := set(inputs) - set(action.inputs.split()):
        raise WorkflowError(f"{name} has no input {', '.join(sorted(unknown))}")
    if missing := [one for one in action.required.split() if not inputs.get(one)]:
        raise WorkflowError(f"{name} needs the input {', '.join(missing)}")
    for scope, level in action.permissions.items():
        if permissions.get(scope) not in (level, "write"):
            raise WorkflowError(f"{name} needs the permission {scope}: {level}; the job has {dict(permissions)}")
    return action.stand_in(machine, inputs)


def _nothing(machine: Machine, inputs: Inputs) -> Outputs:
    return {}


def _checkout(machine: Machine, inputs: Inputs) -> Outputs:
    machine.check_out()
    return {}


def _log_in(machine: Machine, inputs: Inputs) -> Outputs:
    machine.registries.add(inputs["registry"])
    return {}


def _build_and_push(machine: Machine, inputs: Inputs) -> Outputs:
    tag = inputs["tags"]
    if inputs.get("push") != "true" or tag.partition("/")[0] not in machine.registries:
        raise WorkflowError(
            f"the image {tag} is not pushed: push is {inputs.get('push')}, and the job is logged in to "
            f"{sorted(machine.registries) or 'no registry'}"
        )
    context = machine.workspace / inputs["context"]
    given = [line.partition("=")[0] for line in inputs.get("build-args", "").splitlines()]
    if "file" not in inputs:
        return {"digest": machine.workbench.build(context, tag)}
    # localcluster cannot build the driver's image; `make e2e` does, with Docker. Check what the Dockerfile is given.
    dockerfile = (machine.workspace / inputs["file"]).read_text()
    missing = [f"ARG {one}" for one in given if not re.search(rf"^ARG {one}\b", dockerfile, re.MULTILINE)]
    copied = re.findall(r"^COPY (\S+) ", dockerfile, re.MULTILINE)
    missing += [f"file {one}" for one in copied if not (context / one).exists()]
    if missing:
        raise WorkflowError(f"{inputs['file']} with this context: no {', no '.join(missing)}")
    return {"digest": f"sha256:{hashlib.sha256(dockerfile.encode()).hexdigest()}"}


def _upload(machine: Machine, inputs: Inputs) -> Outputs:
    source, target = machine.workspace / inputs["path"], machine.artifacts / inputs["name"]
    if not source.exists():
        if inputs.get("if-no-files-found", "warn") == "error":
            raise WorkflowError(f"upload-artifact: no files found at {inputs['path']}")
        return {}
    if inputs.get("overwrite") == "true":
        shutil.rmtree(target, ignore_errors=True)
    if target.exists():
        raise WorkflowError(f"upload-artifact: the run already has an artifact {inputs['name']}")
    shutil.copytree(source, target)
    return {}


def _download(machine: Machine, inputs: Inputs) -> Outputs:
    shutil.copytree(machine.artifacts / inputs["name"], machine.workspace / inputs["path"], dirs_exist_ok=True)
    return {}


def _attest(machine: Machine, inputs: Inputs) -> Outputs:
    if "subject-digest" in inputs:
        if not inputs["subject-digest"].startswith("sha256:") or not inputs.get("subject-name"):
            raise WorkflowError(f"attest: neither name nor digest: {dict(inputs)}")
    elif not (machine.workspace / inputs["subject-checksums"]).is_file():
        raise WorkflowError(f"attest: no file {inputs['subject-checksums']}")
    return {}


def _write_kubeconfig(machine: Machine, inputs: Inputs) -> Outputs:
    target = machine.temp / "kubeconfig-of-the-action"
    shutil.copy(machine.workbench.namespace.kubeconfig, target)
    machine.env["KUBECONFIG"] = str(target)
    return {}


_OIDC = {"id-token": "write"}

ACTIONS = {
    "actions/checkout": Action(
        "repository ref token ssh-key ssh-known-hosts ssh-strict ssh-user persist-credentials path clean filter "
        "sparse-checkout sparse-checkout-cone-mode fetch-depth fetch-tags show-progress lfs submodules "
        "set-safe-directory github-server-url allow-unsafe-pr-checkout",
        _checkout,
        permissions={"contents": "read"},
    ),
    "actions/upload-artifact": Action(
        "name path if-no-files-found retention-days compression-level overwrite include-hidden-files archive",
        _upload,
        required="path",
    ),
    "actions/download-artifact": Action(
        "name artifact-ids path pattern merge-multiple github-token repository run-id skip-decompress digest-mismatch",
        _download,
    ),
    "actions/attest": Action(
        "subject-path subject-digest subject-name subject-checksums subject-version sbom-path predicate-type predicate "
        "predicate-path push-to-registry create-storage-record show-summary github-token",
        _attest,
        permissions=_OIDC | {"attestations": "write"},
    ),
    "docker/setup-buildx-action": Action(
        "version driver driver-opts buildkitd-flags buildkitd-config buildkitd-config-inline use name endpoint "
        "platforms append keep-state cache-binary cleanup",
        _nothing,
    ),
    "docker/login-action": Action(
        "registry username password ecr scope logout registry-auth",
        _log_in,
        required="registry username password",
    ),
    "docker/build-push-action": Action(
        "add-hosts allow annotations attests build-args build-contexts builder cache-from cache-to call cgroup-parent "
        "context file labels load network no-cache no-cache-filters outputs platforms provenance pull push sbom "
        "secrets secret-envs secret-files shm-size ssh tags target ulimit github-token",
        _build_and_push,
        required="tags",
        permissions={"packages": "write"},
    ),
    "azure/login": Action(
        "creds client-id tenant-id subscription-id enable-AzPSSession environment allow-no-subscriptions audience "
        "auth-type",
        _nothing,
        required="client-id tenant-id subscription-id",
        permissions=_OIDC,
    ),
    "azure/use-kubelogin": Action("kubelogin-version skip-cache github-api-base-url", _nothing),
    "azure/aks-set-context": Action(
        "resource-group cluster-name subscription admin use-kubelogin public-fqdn resource-type",
        _write_kubeconfig,
        required="resource-group cluster-name",
    ),
    "google-github-actions/auth": Action(
        "project_id workload_identity_provider service_account audience credentials_json create_credentials_file "
        "export_environment_variables token_format delegates universe request_reason cleanup_credentials "
        "access_token_lifetime access_token_scopes access_token_subject id_token_audience id_token_include_email",
        _nothing,
        required="workload_identity_provider service_account",
        permissions=_OIDC,
    ),
    "google-github-actions/get-gke-credentials": Action(
        "cluster_name location project_id context_name namespace use_auth_provider use_internal_ip "
        "use_connect_gateway use_dns_based_endpoint fleet_membership_name quota_project_id",
        _write_kubeconfig,
        required="cluster_name location",
    ),
    "aws-actions/configure-aws-credentials": Action(
        "aws-region aws-profile overwrite-aws-profile role-to-assume aws-access-key-id aws-secret-access-key "
        "aws-session-token web-identity-token-file role-chaining audience http-proxy no-proxy mask-aws-account-id "
        "role-duration-seconds role-external-id role-session-name role-skip-session-tagging transitive-tag-keys "
        "inline-session-policy managed-session-policies output-credentials output-env-credentials "
        "unset-current-credentials disable-retry retry-max-attempts special-characters-workaround "
        "use-existing-credentials allowed-account-ids force-skip-oidc action-timeout-s custom-tags sts-endpoint",
        _nothing,
        required="aws-region role-to-assume",
        permissions=_OIDC,
    ),
}
