"""Writes the files of volumes from ConfigMaps, Secrets and the downward API."""

from pathlib import Path

from localcluster.apimachinery.objects import Object
from localcluster.images.rootfs import normal, within
from localcluster.kubelet.references import MissingReferenceError, field_value, read_data
from localcluster.storage.store import Store

SUPPORTED = ("configMap", "secret", "downwardAPI", "projected", "emptyDir")


def write_volume(store: Store, pod: Object, volume: Object, volumes: Path) -> None:
    """Update the files of a volume, in the folder of a pod's volumes.

    Raises MissingReferenceError (also for volume types that are not supported), OutsideError, and OSError.
    """
    folder = within(volumes, volume["name"])
    folder.mkdir(parents=True, exist_ok=True)
    kind = next((k for k in SUPPORTED if k in volume), None)
    if kind is None:
        unknown = ", ".join(k for k in volume if k != "name")
        raise MissingReferenceError(
            f"localcluster does not support volumes of type {unknown}, only {', '.join(SUPPORTED)}"
        )
    if kind == "emptyDir":
        return
    sources = volume["projected"].get("sources") or [] if kind == "projected" else [{kind: volume[kind]}]
    content: dict[str, bytes] = {}
    for source in sources:
        content |= {normal(path)[1:]: data for path, data in _content(store, pod, source).items()}
    fresh = volumes / ".new"  # no volume can have this name
    for path, data in content.items():
        target = within(folder, path)
        if target.is_file() and not target.is_symlink() and target.read_bytes() == data:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(data)
        fresh.replace(target)  # readers see the old content or the new, never a part
    files = [
        f for f in folder.rglob("*") if f.is_file() and not f.is_symlink()
    ]  # a link is another mount inside this volume
    for file in [f for f in files if str(f.relative_to(folder)) not in content]:
        file.unlink()


def _content(store: Store, pod: Object, source: Object) -> dict[str, bytes]:
    kind, spec = next(iter(source.items()))
    if kind == "downwardAPI":
        return {
            i["path"]: field_value(pod, i["fieldRef"]["fieldPath"]).encode()
            for i in spec.get("items") or []
            if "fieldRef" in i
        }
    if kind not in ("configMap", "secret"):
        raise MissingReferenceError(f"localcluster does not support a {kind} in a projected volume")
    name, optional = spec.get("name") or spec.get("secretName"), spec.get("optional", False)
    namespace = pod["metadata"]["namespace"]
    data = read_data(store, kind.lower(), namespace, name, optional=optional) or {}
    if not spec.get("items"):
        return data
    missing = [i["key"] for i in spec["items"] if i["key"] not in data]
    if missing and not optional:
        raise MissingReferenceError(f"references non-existent {kind} key: {missing[0]}")
    return {i["path"]: data[i["key"]] for i in spec["items"] if i["key"] in data}
