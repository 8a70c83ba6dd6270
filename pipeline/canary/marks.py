"""Names and marks of what a release makes: the variants' names, and the keys of labels and annotations.

A mark says something of one release. Copies of an object never carry one.
"""

from enum import StrEnum

VERSION_LABEL = "azure-pipelines/version"
"""Default key of the label (and annotation) that tells the variants apart."""

ACTION_VERSION_LABEL = "workflow/version"
"""The key that GitHub's action Azure/k8s-deploy uses for it."""

OWN_PREFIX = "canary-lab/"
"""Prefix of the annotations that this driver writes."""

# On a canary.
DIGEST = f"{OWN_PREFIX}digest"
"""Digest of the manifests and images that the canary was made of. Records of a release carry it too."""
COPIES = f"{OWN_PREFIX}copies"
"""The ConfigMaps and Secrets that the canary refers to by copies of its own."""
CREATED = f"{OWN_PREFIX}made"
"""The objects that its release created. A reject leaves them and names them."""
STABLE = f"{OWN_PREFIX}stable"
"""Digest of stable's pod template when the canary was deployed beside it."""
STEP = f"{OWN_PREFIX}step"
"""The current step, in percent."""
STEPS = f"{OWN_PREFIX}steps"
"""All steps of the release, in percent, separated by commas."""
ARGUMENTS = f"{OWN_PREFIX}arguments"
"""The options that its release was deployed with, as JSON."""
EXPIRES = f"{OWN_PREFIX}expires"
"""When `canary reap` may reject it. A canary that another tool made has none and never expires."""

ROUTE = f"{OWN_PREFIX}route"
"""The HTTPRoute that divides the requests. The Services of the variants carry it too."""
ROUTE_BEFORE = f"{OWN_PREFIX}route-before"
"""On the Service of stable: that HTTPRoute's spec before the release, as JSON."""
ROUTE_SHARE = f"{OWN_PREFIX}route-share"
"""On that HTTPRoute, as long as a release divides it: percent of the requests to canary and baseline, each."""

GATE = f"{OWN_PREFIX}gate"
"""A driver waits at its gate for a decision, as JSON: its process, since when, and the workloads."""
DECISION = f"{OWN_PREFIX}decision"
"""The decision on a release that waits at its gate, as JSON. It is on the canary of the first workload alone."""
GRAFANA = f"{OWN_PREFIX}grafana-annotation"
"""ID of the annotation in Grafana that covers its release. The command that ends the release sets its end."""

# On stable.
CONFIGURATION = f"{OWN_PREFIX}configuration"
"""On the pod template: digest of the release that last changed the pods' configuration.

Pods do not notice by themselves: without this, a release that changes a ConfigMap alone would restart none of them.
"""
UNPROVEN = f"{OWN_PREFIX}unproven"
"""When `--unproven` promoted this version, and what spoke against it. The next promote drops it."""

# On the record of a promote or a rollback.
STATE = f"{OWN_PREFIX}state"
"""How far the promote is, see `state.last_promote.State`."""
UNDOING = f"{OWN_PREFIX}undoing"
"""Why the promote or the rollback failed, while it is being undone."""
TOGETHER = f"{OWN_PREFIX}together"
"""Names of the workloads that were promoted together."""
PROMOTED = f"{OWN_PREFIX}promoted"
"""The images that stable got."""
PROMOTED_TEMPLATE = f"{OWN_PREFIX}made"
"""Digest of stable's pod template after the promote. It shows later changes."""
TOO_LARGE = f"{OWN_PREFIX}too-large"
"""Size of the state before the promote, where it does not fit into the record."""
ROLLBACK_FROM = f"{OWN_PREFIX}rollback-from"
"""How far the promote was that is rolled back."""

# On a Lease.
PROCESS = f"{OWN_PREFIX}process"
"""The holder's process, for a program to recognise."""


EVENT_COMPONENT = "canary"
"""Component of the Kubernetes Events that this driver creates."""


class EventReason(StrEnum):
    """Reasons of those Events."""

    DEPLOYED = "CanaryDeployed"
    VERDICT = "CanaryVerdict"
    PROMOTED = "CanaryPromoted"
    REJECTED = "CanaryRejected"
    UNDONE = "CanaryUndone"
    ROLLED_BACK = "CanaryRolledBack"
    WATCHING = "CanaryKeepsWatching"


class Variant(StrEnum):
    """The three Deployments of one workload behind one Service."""

    STABLE = "stable"
    BASELINE = "baseline"
    CANARY = "canary"


COMPARED = (Variant.BASELINE, Variant.CANARY)
"""The variants that are compared, in this order."""


def version_labels(label: str) -> tuple[str, ...]:
    """Return the keys by which variants are recognised: next to the default key, that of GitHub's action."""
    return (label, ACTION_VERSION_LABEL) if label == VERSION_LABEL else (label,)


def variant_name(name: str, variant: Variant) -> str:
    """Return the name of a workload's variant: its own for stable, `NAME-canary`, `NAME-baseline`."""
    return name if variant is Variant.STABLE else f"{name}-{variant}"


def service_name(name: str, variant: Variant) -> str:
    """Return the name of the Service to which a route sends a variant's requests."""
    return f"{name}-{variant}"


def before_name(name: str) -> str:
    """Return the name of the ConfigMap (and Secret) that keeps a workload's objects as they were before its promote."""
    return f"{name}-before"


def rollback_name(name: str) -> str:
    """Return the name of the ConfigMap (and Secret) that keeps a workload's objects while it is rolled back."""
    return f"{name}-rollback"
