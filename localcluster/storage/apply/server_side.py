"""Server-side apply: merges a configuration into a live object, and finds conflicts with other managers.

The rules are those of sigs.k8s.io/structured-merge-diff (merge/update.go) and of Kubernetes' managedfields package.
"""

import json
from collections.abc import Iterator

from localcluster.apimachinery.errors import ApiError, Cause
from localcluster.apimachinery.objects import LAST_APPLIED, Json, Object, now, parsed
from localcluster.apimachinery.resources import GATEWAY_API
from localcluster.storage.apply import field_sets
from localcluster.storage.apply.managed_fields import Entry, Key, entries_of, written
from localcluster.storage.schema import KEY_DEFAULTS, Type, is_scalar


def applied(of: Type, live: Object, config: Object, manager: str, *, force: bool, subresource: str = "") -> Object:
    """Return a live object after server-side apply, with managedFields, without new defaults.

    Raises ApiError 409 if another manager owns a field with another value, and 500 (as Kubernetes does) if the
    configuration does not match the type.
    """
    meta = config["metadata"]
    wanted = field_sets.ownable(config)
    group, _, version = config["apiVersion"].rpartition("/")
    if error := next(_misfits(of, wanted, (), is_custom=group == GATEWAY_API), ""):
        where = (
            f"{meta.get('namespace', '')}/{meta['name']}; {group}{'/' if group else ''}{version}, Kind={config['kind']}"
        )
        raise ApiError(500, f"failed to create typed patch object ({where}): {error}", reason="")
    entries, key = entries_of(live), (manager, "Apply", subresource)
    mine = {p for p in field_sets.fields_of(of, wanted) if subresource == "status" or p[0] != "f:status"}
    mine.discard(("f:metadata",))
    before = field_sets.ownable(live)
    after = field_sets.merged(of, before, wanted)
    if last := entries.get(key):
        owned = mine.union(*(entry.fields for other, entry in entries.items() if other != key))
        after = {"metadata": {}, **field_sets.pruned(of, after, last.fields, owned)}
    change = field_sets.compare(of, before, after)
    touched = change.added | change.modified
    others = {other: entry for other, entry in entries.items() if other != key}
    conflicts = [(other, p) for other, entry in others.items() for p in field_sets.in_order(entry.fields & touched)]
    if conflicts and not force:
        _refuse(of, live, conflicts, entries, manager)
    for entry in others.values():
        entry.fields -= touched
        entry.fields -= change.removed
    entries[key] = Entry(mine, config["apiVersion"], now())
    if last and last.fields == mine and before == after:
        entries[key].time = last.time
    _sync_last_applied(after, config, manager)
    server = {k: v for k, v in live["metadata"].items() if k not in field_sets.ownable(live)["metadata"]}
    metadata = {**after.pop("metadata"), **server, "managedFields": written(entries)}
    return {"apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": metadata, **after}


def _refuse(
    of: Type, live: Object, conflicts: list[tuple[Key, field_sets.Path]], entries: dict[Key, Entry], manager: str
) -> None:
    """Raise the 409. kubectl may change fields that it applied client-side and that nobody has changed since."""
    last_applied = live["metadata"].get("annotations", {}).get(LAST_APPLIED)
    if manager == "kubectl" and last_applied:
        try:
            was, is_now = field_sets.ownable(parsed(last_applied)), field_sets.ownable(live)
        except (ValueError, AttributeError):  # not a configuration: nothing is allowed
            was, is_now = {}, {}
        change = field_sets.compare(of, was, is_now)
        allowed = field_sets.fields_of(of, was) - change.modified - change.added - change.removed
        conflicts = [(other, path) for other, path in conflicts if path not in allowed]
    if not conflicts:
        return

    def named(key: Key) -> str:
        text = json.dumps(key[0]) + (f' with subresource "{key[2]}"' if key[2] else "")
        return text if key[1] == "Apply" else f"{text} using {entries[key].api_version}"

    causes = tuple(
        Cause(field_sets.readable(path), f"conflict with {named(key)}", "FieldManagerConflict")
        for key, path in conflicts
    )
    if len(causes) == 1:
        message = f"Apply failed with 1 conflict: {causes[0].message}: {causes[0].field}"
    else:
        lines = []
        for key in sorted({key for key, _ in conflicts}):
            fields = "\n".join(f"- {field_sets.readable(path)}" for other, path in conflicts if other == key)
            lines.append(f"conflicts with {named(key)}:\n{fields}")
        message = f"Apply failed with {len(causes)} conflicts: " + "\n".join(lines)
    raise ApiError(409, message, causes=causes)


def _sync_last_applied(after: Object, config: Object, manager: str) -> None:
    """Update kubectl's annotation when kubectl applies server-side: a client-side apply can follow."""
    annotations = after["metadata"].get("annotations", {})
    if manager == "kubectl" and LAST_APPLIED in annotations:
        text = json.dumps(config, separators=(",", ":"), sort_keys=True) + "\n"
        after["metadata"]["annotations"] = {**annotations, LAST_APPLIED: text}


def _misfits(of: Type, value: Json, path: field_sets.Path, *, is_custom: bool) -> Iterator[str]:
    """Yield the type errors of a value, as structured-merge-diff words them."""
    where = field_sets.readable(path)
    if of.kind in ("struct", "map"):
        if not isinstance(value, dict | None):
            yield f"{where}: expected map, got {_go(value)}"
            return
        for key, item in (value or {}).items():
            child = of.child(key)
            if child is None:
                yield f"{where}.{key}: field not declared in schema"
            else:
                yield from _misfits(child, item, (*path, f"f:{key}"), is_custom=is_custom)
    elif of.kind == "list":
        if not isinstance(value, list | None):
            yield f"{where}: expected list, got {_go(value)}"
            return
        seen: set[str] = set()
        for item in value or []:
            for key in of.keys:
                if isinstance(item, dict) and key not in item and key not in KEY_DEFAULTS:
                    omits = f'associative list with keys has an element that omits key field "{key}"'
                    yield f"{where}: element {len(seen)}: {omits}"
            name = field_sets.element_of(of, item)
            if name in seen and (of.keys or of.is_set):
                yield f"{where}: duplicate entries for key {field_sets.readable((name,))}"
            seen.add(name)
            assert of.element is not None
            yield from _misfits(of.element, item, (*path, name), is_custom=is_custom)
    elif of.kind != "any" and value is not None and not is_scalar(_form(of.kind, is_custom=is_custom), value):
        number = of.kind in ("int32", "int64", "integer", "number")
        wanted = "numeric (int or float)" if number else "boolean" if of.kind == "boolean" else "string"
        yield f"{where}: expected {wanted}, got {_go(value)}"


def _form(kind: str, *, is_custom: bool) -> str:
    """Return which values pass here: those of custom resources are validated later."""
    if is_custom and kind in ("int32", "int64", "integer"):
        return "number"
    return "quantity" if is_custom and kind == "time" else kind


def _go(value: Json) -> str:
    names = {bool: "bool", int: "int", float: "float", str: "string", list: "list", dict: "map", type(None): "null"}
    return names[type(value)]
