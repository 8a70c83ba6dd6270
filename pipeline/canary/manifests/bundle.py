"""Bundles of manifests: what a release deploys, read from files, folders or stdin and checked.

Objects are never changed in place: every function returns a new bundle.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from canary.errors import InputError
from canary.manifests.documents import Document, parse
from canary.manifests.validation import check_deployment
from canary.objects import Object, annotations_of, describe, identity, is_deployment

SUFFIXES = (".yml", ".yaml", ".json")
STDIN = "<stdin>"
EMPTY = "an argument is empty: check whether a shell variable in the command is set"

CLUSTER_SCOPED = frozenset(
    {
        "APIService", "CertificateSigningRequest", "ClusterRole", "ClusterRoleBinding", "CSIDriver", "CSINode",
        "CustomResourceDefinition", "FlowSchema", "IngressClass", "MutatingWebhookConfiguration", "Namespace", "Node",
        "PersistentVolume", "PriorityClass", "PriorityLevelConfiguration", "RuntimeClass", "StorageClass",
        "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration",
        "VolumeAttachment",
    }
)  # fmt: skip
"""Kubernetes' own kinds that are not namespaced. For other kinds (CRDs), only the cluster knows."""


@dataclass(frozen=True)
class Bundle:
    """The objects of one release.

    Attributes:
        objects: in the order in which they were read.
        sources: where each object was read, `file:line`.
        namespace: the release's namespace, set on every namespaced object.
    """

    objects: tuple[Object, ...]
    sources: tuple[str, ...]
    namespace: str

    @property
    def deployments(self) -> tuple[Object, ...]:
        """Return the Deployments: each becomes a canary and is compared."""
        return tuple(item for item in self.objects if is_deployment(item))

    @property
    def others(self) -> tuple[Object, ...]:
        """Return all objects but the Deployments."""
        return tuple(item for item in self.objects if not is_deployment(item))

    def source(self, item: Object) -> str:
        """Return where an object was read, `file:line`.

        Raises:
            KeyError: the bundle has no object of that kind and name.
        """
        for other, source in zip(self.objects, self.sources, strict=True):
            if identity(other) == identity(item):
                return source
        raise KeyError(identity(item))


def load(paths: Sequence[str], *, namespace: str, stdin: BinaryIO | None = None) -> Bundle:
    """Read manifests.

    Args:
        paths: files, folders (searched recursively for .yml, .yaml and .json, less dot files and dot folders) or `-`.
        namespace: the release's; it is filled in where an object names none.
        stdin: what `-` reads.

    Returns:
        The objects, with lists unfolded, in the order of the paths; files of a folder are sorted by name.

    Raises:
        InputError: a path does not exist or has no manifest; text is not YAML or JSON; an object has no kind,
            apiVersion or name, is in another namespace, is given twice, or is a Helm hook. Messages begin with
            `file:line`.
    """
    if not paths:
        raise InputError("no manifests given: name files, folders or - for stdin")
    if "" in paths:
        raise InputError(EMPTY)
    objects: list[Object] = []
    sources: list[str] = []
    seen: dict[tuple[str, str, str], str] = {}
    for name, text in _texts(paths, stdin):
        for document in parse(text, name):
            for item, line in _unfold(document, document.value, (), name):
                source = f"{name}:{line}"
                checked = _checked(item, source, namespace)
                key = identity(checked)
                if key in seen:
                    raise InputError(f"{source}: {describe(checked)} is already given at {seen[key]}")
                seen[key] = source
                objects.append(checked)
                sources.append(source)
    if not objects:
        raise InputError(f"no Kubernetes objects in {', '.join(paths)}")
    return Bundle(tuple(objects), tuple(sources), namespace)


def require_deployment(bundle: Bundle) -> None:
    """Refuse a bundle without Deployments.

    Raises:
        InputError: there is none.
    """
    if not bundle.deployments:
        kinds = ", ".join(sorted({str(item["kind"]) for item in bundle.objects}))
        raise InputError(f"no Deployment in the manifests (only {kinds}): a release needs a Deployment")


def digest(bundle: Bundle) -> str:
    """Return `sha256:…` of all objects, whatever the order of files, objects and keys.

    It includes the images and pull secrets of `images.with_images` and `with_pull_secrets`.
    """
    ordered = sorted(bundle.objects, key=identity)
    canonical = json.dumps(ordered, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


def _texts(paths: Sequence[str], stdin: BinaryIO | None) -> Iterator[tuple[str, str]]:
    """Yield the name and content of each file, each file once."""
    done: set[str] = set()
    for path in paths:
        if path == "-":
            if stdin is None:
                raise InputError("-: there is no stdin to read")
            if STDIN in done:
                raise InputError("-: stdin can be read only once")
            done.add(STDIN)
            yield STDIN, _decoded(stdin.read(), STDIN)
            continue
        for file in _files(Path(path)):
            resolved = os.path.realpath(file)
            if resolved not in done:
                done.add(resolved)
                try:
                    content = file.read_bytes()
                except OSError as error:
                    raise InputError(f"{file}: {error.strerror}") from error
                yield str(file), _decoded(content, str(file))


def _decoded(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{name}: not UTF-8 text") from None  # the cause would hold the text, which may be a Secret's


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; pass manifests that exist, or - for stdin")
    if not path.is_dir():
        return [path]
    found = _inside(path)
    if not found:
        raise InputError(f"{path}: no manifests in this folder ({', '.join(SUFFIXES)})")
    return sorted(found)


def has_manifests(path: Path) -> bool:
    """Return whether a path is a folder with files that may be manifests."""
    return path.is_dir() and bool(_inside(path))


def _inside(folder: Path) -> list[Path]:
    return [
        file
        for file in folder.rglob("*")
        if file.suffix in SUFFIXES
        and file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    ]


def _unfold(
    document: Document, value: object, path: tuple[str | int, ...], name: str
) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield the objects of a document with their lines: none for an empty document, each item of a List."""
    line = document.line(path)
    if value is None:
        return
    if not isinstance(value, dict):
        raise InputError(f"{name}:{line}: a Kubernetes object is a mapping, this is a {_type_name(value)}")
    items = value.get("items")
    if isinstance(items, list) and str(value.get("kind", "")).endswith("List"):
        for index, item in enumerate(items):
            yield from _unfold(document, item, (*path, "items", index), name)
        return
    yield value, line


def _checked(item: dict[str, Any], source: str, namespace: str) -> Object:
    """Return an object with its namespace filled in."""
    kind, version = item.get("kind"), item.get("apiVersion")
    if kind == "Kustomization" and str(version).startswith("kustomize.config.k8s.io/"):
        raise InputError(
            f"{source}: a kustomization; build it and pass the result: kubectl kustomize FOLDER | canary … -"
        )
    for field, value in (("apiVersion", version), ("kind", kind)):
        if not isinstance(value, str) or not value:
            raise InputError(f"{source}: not a Kubernetes object: {field} is missing")
    metadata = item.get("metadata")
    if not isinstance(metadata, dict):
        raise InputError(f"{source}: {kind}: metadata is missing")
    name = metadata.get("name")
    if not isinstance(name, str) or not name:
        why = " (generateName makes a new object each time)" if "generateName" in metadata else ""
        raise InputError(f"{source}: {kind}: metadata.name is missing{why}")
    for field in ("labels", "annotations"):
        if not isinstance(metadata.get(field) or {}, dict):
            raise InputError(f"{source}: {describe(item)}: metadata.{field} must be a mapping")
    if "helm.sh/hook" in annotations_of(item):
        raise InputError(
            f"{source}: {describe(item)} is a Helm hook, which only Helm runs; leave it out: helm template --no-hooks"
        )
    own = metadata.get("namespace")
    if own and own != namespace:
        raise InputError(
            f"{source}: {describe(item)} is in namespace {own}, but the release is in {namespace}: "
            f"pass --namespace {own}, or change the manifest"
        )
    if is_deployment(item):
        check_deployment(item, source)
    if kind in CLUSTER_SCOPED:
        return item
    return item | {"metadata": metadata | {"namespace": namespace}}


def _type_name(value: object) -> str:
    if isinstance(value, list):
        return "list"
    return "string" if isinstance(value, str) else "number" if isinstance(value, int | float) else "value"
