"""Sets of fields, as managedFields records them, and what server-side apply computes with them.

A path is a tuple of elements written as in fieldsV1: `f:NAME` (a field or a map's key), `k:{...}` (the item of a list,
by its keys), `v:VALUE` (an item of a set). The rules are those of sigs.k8s.io/structured-merge-diff (package typed).
"""

import json
from dataclasses import dataclass, field

from localcluster.apimachinery.objects import Json, Object
from localcluster.storage.schema import ANY, KEY_DEFAULTS, Type

Path = tuple[str, ...]
Paths = set[Path]

# Metadata that the server sets; it has no owner.
_UNOWNED = (
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "generation",
    "managedFields",
    "resourceVersion",
)


def ownable(obj: Object) -> Object:
    """Return an object without the fields that have no owner."""
    meta = {k: v for k, v in obj.get("metadata", {}).items() if k not in _UNOWNED}
    rest = {k: v for k, v in obj.items() if k not in ("apiVersion", "kind", "metadata")}
    return {"metadata": meta, **rest}


def element_of(of: Type, item: Json) -> str:
    """Return the path element of a list item."""
    if of.is_set or not isinstance(item, dict):
        return "v:" + json.dumps(item)
    keys = {k: item.get(k, KEY_DEFAULTS.get(k)) for k in sorted(of.keys)}
    return "k:" + json.dumps({k: v for k, v in keys.items() if v is not None}, separators=(",", ":"))


def is_leaf(of: Type, value: Json) -> bool:
    """Return whether a value has one owner."""
    if of.kind == "list":
        return not (of.keys or of.is_set) or not isinstance(value, list)
    return of.kind not in ("struct", "map") or of.atomic or not isinstance(value, dict)


def children(of: Type, value: Json) -> list[tuple[str, Type, Json]]:
    """Return path element, type and value of each child of a list, map or struct."""
    if isinstance(value, list):
        return [(element_of(of, item), of.element or ANY, item) for item in value]
    return [(f"f:{key}", of.child(key) or ANY, item) for key, item in value.items()]


def fields_of(of: Type, value: Json, path: Path = ()) -> Paths:
    """Return the fields that a value sets."""
    if is_leaf(of, value):
        return {path}
    found: Paths = set()
    for element, child_type, child in children(of, value):
        here = (*path, element)
        found |= fields_of(child_type, child, here)
        if of.kind in ("list", "map") or child is None or child == {}:
            found.add(here)
    return found


@dataclass
class Comparison:
    """The fields in which two values differ."""

    added: Paths = field(default_factory=set)
    removed: Paths = field(default_factory=set)
    modified: Paths = field(default_factory=set)


_MISSING = object()


def compare(of: Type, old: Json, new: Json) -> Comparison:
    """Return the difference of two values of a type."""
    result = Comparison()
    _compare(of, old, new, (), result)
    return result


def _compare(of: Type, old: Json, new: Json, path: Path, result: Comparison) -> None:
    if old is _MISSING:
        result.added.add(path)
    elif new is _MISSING:
        result.removed.add(path)
    elif old == new:
        return
    some = new if old in (_MISSING, None) else old
    if is_leaf(of, some) or (not _items(old) and not _items(new)):
        if old is not _MISSING and new is not _MISSING:
            result.modified.add(path)
        return
    before = {e: (t, v) for e, t, v in children(of, old)} if _items(old) else {}
    after = {e: (t, v) for e, t, v in children(of, new)} if _items(new) else {}
    for element in {**before, **after}:
        child_type = (before.get(element) or after[element])[0]
        was, now = (side[element][1] if element in side else _MISSING for side in (before, after))
        _compare(child_type, was, now, (*path, element), result)


def _items(value: Json) -> bool:
    return isinstance(value, dict | list) and bool(value)


def without(of: Type, value: Json, gone: Paths, path: Path = ()) -> Json:
    """Return a value without some fields. A map or list that becomes empty is None, and dropped from a list."""
    if is_leaf(of, value):
        return value
    kept = []
    for element, child_type, child in children(of, value):
        here = (*path, element)
        if here not in gone:
            left = without(child_type, child, gone, here)
            kept.append((element, left if left or not _items(child) else None))
    if isinstance(value, list):
        return [child for _, child in kept if child is not None]
    return {element.removeprefix("f:"): child for element, child in kept}


def _with_parents(of: Type, paths: Paths) -> Paths:
    """Return a set together with the structs around its fields (but not the keys of maps and items of lists)."""
    found = set(paths)
    for path in paths:
        here = of
        for i, element in enumerate(path[:-1]):
            name = element.removeprefix("f:")
            if here.kind == "struct" and name in here.fields:
                found.add(path[: i + 1])
            here = (here.element if here.kind == "list" else here.child(name)) or ANY
    return found


def pruned(of: Type, value: Json, last: Paths, owned: Paths) -> Json:
    """Return a value without the fields that its applier owned before and that nobody owns now.

    Step by step what structured-merge-diff does (merge/update.go: prune, addBackOwnedItems, addBackDanglingItems).
    """
    last = _with_parents(of, last)
    everything = _with_parents(of, fields_of(of, value))
    left = _with_parents(of, fields_of(of, without(of, value, last)))
    with_owned = without(of, value, everything - left - _with_parents(of, owned))
    return without(of, value, (everything - _with_parents(of, fields_of(of, with_owned))) & last)


def merged(of: Type, old: Json, new: Json) -> Json:
    """Return the old value, overwritten with the fields of the new one."""
    if is_leaf(of, new) or not isinstance(old, type(new)):
        return new
    if isinstance(new, list):
        return _merged_lists(of, old, new)
    both = {key: merged(of.child(key) or ANY, old[key], item) for key, item in new.items() if key in old}
    return {**old, **new, **both}


def _merged_lists(of: Type, old: list[Json], new: list[Json]) -> list[Json]:
    """Return the items of both lists: the new items in their order, the others between them in their places.

    Step by step what structured-merge-diff does (typed/merge.go, visitListItems), so that the order is the same.
    """
    lefts = [element_of(of, item) for item in old]
    rights = {element_of(of, item): item for item in new}
    names = list(rights)
    shared = [name for name in names if name in lefts]
    done: set[str] = set()
    result: list[Json] = []

    def take(name: str) -> None:
        before = old[lefts.index(name)] if lefts.count(name) == 1 else None
        result.append(rights[name] if before is None else merged(of.element or ANY, before, rights[name]))
        done.add(name)
        if shared and shared[0] == name:
            shared.pop(0)

    left = right = 0
    while left < len(lefts) or right < len(names):
        if left < len(lefts) and right < len(names) and lefts[left] == names[right]:
            take(names[right])
            left, right = left + 1, right + 1
        elif left < len(lefts) and lefts[left] not in rights:
            result.append(old[left])
            left += 1
        elif left < len(lefts) and (
            lefts[left] in done or (right < len(names) and shared and shared[0] != lefts[left])
        ):
            left += 1
        elif right < len(names):
            take(names[right])
            right += 1
        else:
            left += 1
    return result


def encode(paths: Paths) -> Object:
    """Return a set as fieldsV1."""
    root: Object = {}
    for path in sorted(paths):
        node = root
        for element in path:
            node = node.setdefault(element, {})
        node["."] = {}
    return _without_dots(root)


def _without_dots(node: Object) -> Object:
    """Drop the `.` of elements without children."""
    if set(node) == {"."}:
        return {}
    return {element: child if element == "." else _without_dots(child) for element, child in node.items()}


def decode(fields: Object) -> Paths:
    """Return fieldsV1 as a set; raises ValueError if it is invalid."""
    found: Paths = set()
    for element, child in fields.items():
        if not isinstance(child, dict) or not (element == "." or element[:2] in ("f:", "k:", "v:", "i:")):
            raise ValueError(f"not a set of fields: {element}")
        if element[:2] in ("k:", "v:"):
            json.loads(element[2:])
        if element == ".":
            found.add(())
        elif not child:
            found.add((element,))
        else:
            found |= {(element, *rest) for rest in decode(child)}
    return found


def in_order(paths: Paths) -> list[Path]:
    """Return paths in the order of conflicts: at each level, leaves come before others."""
    return sorted(paths, key=lambda path: [(i + 1 < len(path), element) for i, element in enumerate(path)])


def readable(path: Path) -> str:
    """Return a path as in conflicts: `.spec.containers[name="web"].image`."""
    text = ""
    for element in path:
        kind, rest = element[0], element[2:]
        if kind == "f":
            text += f".{rest}"
        elif kind == "k":
            text += "[" + ",".join(f"{k}={json.dumps(v)}" for k, v in json.loads(rest).items()) + "]"
        else:
            text += f"[={rest}]"
    return text
