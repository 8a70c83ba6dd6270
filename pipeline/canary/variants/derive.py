"""The three variants of a workload: how canary and baseline are derived from a Deployment.

The result is the same as that of the `KubernetesManifest@1` task's canary strategy: names, labels, selectors,
annotation. There are two improvements: at least one replica, and no copies of the marks of other tools.
"""

from collections.abc import Iterable
from copy import deepcopy

from canary.errors import InputError
from canary.manifests.references import Reference, references_as_text, references_from_text, with_copies, without_copies
from canary.marks import CONFIGURATION, COPIES, OWN_PREFIX, VERSION_LABEL, Variant, variant_name, version_labels
from canary.objects import LAST_APPLIED, Object, annotations_of

RESTARTED = "kubectl.kubernetes.io/restartedAt"
"""On a pod template: when somebody restarted the pods. It says nothing about their version."""

LONGEST_NAME = 63
"""Kubernetes cuts longer names when it names pods, so that the variants would look the same."""

_OTHERS_PREFIXES = (
    "argocd.argoproj.io/",
    "helm.toolkit.fluxcd.io/",
    "kustomize.toolkit.fluxcd.io/",
    "meta.helm.sh/",
    OWN_PREFIX,
)
_OTHERS_KEYS = frozenset({LAST_APPLIED, "deployment.kubernetes.io/revision"})


def can_have_variants(name: str) -> bool:
    """Return whether a Deployment's name is short enough for a release of it."""
    return len(f"{name}-{Variant.BASELINE}") <= LONGEST_NAME


def canary(incoming: Object, *, replicas: int, label: str = VERSION_LABEL, copied: Iterable[Reference] = ()) -> Object:
    """Return the canary of a Deployment from the manifests.

    Args:
        incoming: the Deployment from the manifests, with the new images.
        replicas: number of pods.
        label: key of the version label.
        copied: configuration of which its pods get copies.
    """
    made = _variant(with_copies(incoming, copied), Variant.CANARY, replicas, label)
    if copied:
        made["metadata"]["annotations"][COPIES] = references_as_text(copied)
    return made


def copied_by(deployment: Object) -> frozenset[Reference]:
    """Return the configuration of which a canary's pods use copies, empty for other Deployments."""
    return references_from_text(annotations_of(deployment).get(COPIES, ""))


def baseline(live: Object, *, replicas: int, label: str = VERSION_LABEL) -> Object:
    """Return the baseline of a live stable Deployment: the old version, started fresh."""
    return _variant(live, Variant.BASELINE, replicas, label)


def stable(incoming: Object, *, replicas: int | None) -> Object:
    """Return a Deployment as promote writes it: the manifest without the fields that only the API server sets.

    Args:
        incoming: the Deployment from the manifests, with the new images.
        replicas: number of pods; None keeps the manifest's.
    """
    metadata = {
        key: deepcopy(incoming["metadata"][key])
        for key in ("name", "namespace", "labels", "annotations")
        if key in incoming["metadata"]
    }
    if "annotations" in metadata:
        metadata["annotations"] = {
            key: value for key, value in (metadata["annotations"] or {}).items() if key not in _OTHERS_KEYS
        }
    spec = deepcopy(incoming["spec"])
    if replicas is not None:
        spec["replicas"] = replicas
    return {"apiVersion": incoming["apiVersion"], "kind": incoming["kind"], "metadata": metadata, "spec": spec}


def configuration_of(deployment: Object) -> str:
    """Return the digest of the release that last changed the configuration of the pods, empty if none did."""
    template = {"metadata": deployment["spec"]["template"].get("metadata") or {}}
    return annotations_of(template).get(CONFIGURATION, "")


def with_configuration(deployment: Object, mark: str) -> Object:
    """Return a Deployment with this mark on its pod template, so that a new mark restarts the pods."""
    if not mark:
        return deployment
    spec = deployment["spec"]
    metadata = spec["template"].get("metadata") or {}
    annotations = (metadata.get("annotations") or {}) | {CONFIGURATION: mark}
    template = spec["template"] | {"metadata": metadata | {"annotations": annotations}}
    return {**deployment, "spec": spec | {"template": template}}


def template_differences(left: Object, right: Object, *, label: str = VERSION_LABEL) -> tuple[str, ...]:
    """Return the paths at which the pod templates of two Deployments differ.

    Marks of this driver and of restarts do not count. A canary's copies of configuration count as their originals. Both
    Deployments should come from the API server (live or from a dry run), so that both have their defaults set.

    Returns:
        Paths such as `spec.containers[app].image`; empty when the templates are equal.
    """
    return tuple(_differences(bare_template(left, label), bare_template(right, label), ""))


def bare_template(deployment: Object, label: str) -> Object:
    """Return a copy of a Deployment's pod template without marks of this driver and of `kubectl rollout restart`.

    A canary's copies of configuration are replaced by their originals.
    """
    keys = version_labels(label)
    template = without_copies(deployment, copied_by(deployment))["spec"]["template"]
    metadata = template.get("metadata") or {}
    template["metadata"] = {
        "labels": {key: value for key, value in (metadata.get("labels") or {}).items() if key not in keys},
        "annotations": {
            key: value
            for key, value in (metadata.get("annotations") or {}).items()
            if key not in (CONFIGURATION, RESTARTED)
        },
    }
    return dict(template)


def _check_length(name: str) -> None:
    """Refuse a workload whose variants' pods would have the same names."""
    longest = variant_name(name, Variant.BASELINE)
    if len(longest) > LONGEST_NAME:
        raise InputError(
            f"Deployment {name}: the name of its baseline would have {len(longest)} characters (the limit is "
            f"{LONGEST_NAME}): give the Deployment a name of at most {LONGEST_NAME - len(longest) + len(name)}"
        )


def _variant(source: Object, variant: Variant, replicas: int, label: str) -> Object:
    metadata = source["metadata"]
    _check_length(metadata["name"])
    name = variant_name(metadata["name"], variant)
    spec = deepcopy(source["spec"])
    spec.pop("paused", None)
    spec["replicas"] = replicas
    selector = spec.setdefault("selector", {})
    selector["matchLabels"] = (selector.get("matchLabels") or {}) | {label: str(variant)}
    template = spec["template"]
    template["metadata"] = template.get("metadata") or {}
    template["metadata"]["labels"] = (template["metadata"].get("labels") or {}) | {label: str(variant)}
    made: Object = {"name": name}
    if "namespace" in metadata:
        made["namespace"] = metadata["namespace"]
    for field in ("labels", "annotations"):
        made[field] = own_marks(metadata.get(field)) | {label: str(variant)}
    return {"apiVersion": source["apiVersion"], "kind": source["kind"], "metadata": made, "spec": spec}


def own_marks(marks: dict[str, str] | None) -> dict[str, str]:
    """Return labels or annotations without those with which other tools mark an object as theirs."""
    return {
        key: value
        for key, value in (marks or {}).items()
        if key not in _OTHERS_KEYS
        and not key.startswith(_OTHERS_PREFIXES)
        and (key, value) != ("app.kubernetes.io/managed-by", "Helm")
    }


def _differences(left: object, right: object, path: str) -> list[str]:
    if isinstance(left, dict) and isinstance(right, dict):
        keys = [*left, *(key for key in right if key not in left)]
        return [
            path_
            for key in keys
            for path_ in _differences(left.get(key), right.get(key), f"{path}.{key}" if path else key)
        ]
    if isinstance(left, list) and isinstance(right, list):
        left_named, right_named = _by_name(left), _by_name(right)
        if left_named is not None and right_named is not None and [*left_named] == [*right_named]:
            return [
                found
                for name in left_named
                for found in _differences(left_named[name], right_named[name], f"{path}[{name}]")
            ]
    return [] if left == right else [path]


def _by_name(items: list[object]) -> dict[str, object] | None:
    """Return list items by name, None unless each has a unique name."""
    named: dict[str, object] = {str(item["name"]): item for item in items if isinstance(item, dict) and "name" in item}
    return named if len(named) == len(items) else None
