"""Whether somebody has changed stable while a release was on its way: promote would overwrite that change.

A change is one of the pod template. Other replicas are none, and a restart is none.
"""

import hashlib
import json
from typing import Any

from canary.errors import InputError
from canary.events import Note, StableChanged
from canary.manifests.difference import difference
from canary.marks import DIGEST, STABLE
from canary.objects import DEPLOYMENT, Object, annotations_of
from canary.observe.deployments import Workload
from canary.ports import World
from canary.state.last_promote import read_last_promote, stable_before
from canary.variants.derive import bare_template, template_differences

NO_STABLE = "none"


def stable_digest(stable: Object | None, *, label: str) -> str:
    """Return what a canary carries of its stable: a digest of the pod template, `none` where there is no stable."""
    if stable is None:
        return NO_STABLE
    text = json.dumps(_without_empty(bare_template(stable, label)), sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def is_changed(found: Workload, *, label: str) -> bool:
    """Return whether stable is another than when its canary was deployed; False where the canary carries no record.

    A stable that equals the baseline is the same, too: a new version of Kubernetes fills in new defaults in both.
    """
    record = annotations_of(found.canary).get(STABLE)
    if not record or record == stable_digest(found.stable, label=label):
        return False
    if found.stable is None or found.baseline is None:
        return True
    return bool(template_differences(found.baseline, found.stable, label=label))


def check_unchanged(world: World, found: Workload) -> None:
    """Refuse to overwrite a stable that was changed since the canary was deployed, unless that is asked for.

    Raises:
        InputError: it was changed; the difference is told by an event.
    """
    label = world.options.label
    if found.canary is None:
        return
    if not annotations_of(found.canary).get(STABLE):
        text = (
            f"{found.canary['metadata']['name']} carries no record of stable {found.name}, which only canary deploy "
            "makes: whether somebody has changed stable since cannot be told"
        )
        world.listen(Note(text))
        return
    if is_changed(found, label=label):
        _refuse(world, found, found.baseline, f"{found.canary['metadata']['name']} was deployed")


def check_unchanged_since_interruption(world: World, found: Workload, mark: str) -> None:
    """Refuse to go on with a promote over a stable that somebody changed after the promote was interrupted.

    Stable is then what it was before the promote, or what the canary is: a promote writes it in one piece.

    Args:
        world: what to work with.
        found: the workload.
        mark: digest of the release; what a canary of another release is, promote by --unproven does not write.

    Raises:
        InputError: it is neither; the difference is told by an event.
    """
    was = read_last_promote(world.cluster, found.name)
    if (
        found.canary is None
        or found.stable is None
        or was is None
        or was.too_large
        or annotations_of(found.canary).get(DIGEST, mark) != mark
    ):
        return
    before = stable_before(world.cluster, found.name)
    known = [found.canary, *([before] if before else [])]
    if all(template_differences(one, found.stable, label=world.options.label) for one in known):
        _refuse(world, found, found.canary, f"the promote of {found.canary['metadata']['name']} was interrupted")


def _refuse(world: World, found: Workload, was: Object | None, since: str) -> None:
    text = f"stable {found.name} {_change(found, was, world.options.label)} since {since}"
    if was is not None and found.stable is not None:
        templates = (bare_template(one, world.options.label) for one in (was, found.stable))
        world.listen(StableChanged(found.name, since, _difference(found.name, *templates)))
    if world.options.overwrite_stable:
        world.listen(Note(f"{text}: promote overwrites that, as --overwrite-stable asks", warning=True))
        return
    raise InputError(
        f"{text}, and promote would overwrite that. To keep the change, put it into the manifests, end this release "
        f"with canary reject {found.name}, and release anew. To overwrite it, pass --overwrite-stable to canary promote"
    )


def _change(found: Workload, was: Object | None, label: str) -> str:
    if found.stable is None:
        return "was deleted"
    if annotations_of(found.canary).get(STABLE) == NO_STABLE and was is None:
        return "was created"
    if was is None:
        return "has changed (in what cannot be told, its baseline is gone)"
    return f"has changed ({', '.join(template_differences(was, found.stable, label=label))})"


def _difference(name: str, was: Object, now: Object) -> tuple[str, ...]:
    """Return how two pod templates differ, without the values of variables: they may be secret."""
    values = {key: one["value"] for key, one in _variables(was)}
    for key, one in [*_variables(was), *_variables(now)]:
        changed = key in values and values[key] != one["value"]
        one["value"] = f"<{len(one['value'].encode())} bytes{', changed' if changed else ''}>"
    head: Object = {"apiVersion": DEPLOYMENT.api_version, "kind": DEPLOYMENT.kind, "metadata": {"name": name}}
    before, after = ({**head, "spec": {"template": one}} for one in (was, now))
    return difference(before, after, "then", "now")


def _variables(template: Object) -> list[tuple[tuple[str, str], Object]]:
    """Return the variables with values of their own, each by its container's name and its own."""
    spec = template["spec"]
    return [
        ((container["name"], variable["name"]), variable)
        for container in [*(spec.get("initContainers") or []), *spec["containers"]]
        for variable in container.get("env") or []
        if "value" in variable
    ]


def _without_empty(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a value without empty fields, which mean as much as missing ones."""
    if isinstance(value, dict):
        return {key: kept for key, one in value.items() if (kept := _without_empty(one)) not in (None, {}, [])}
    return [_without_empty(one) for one in value] if isinstance(value, list) else value
