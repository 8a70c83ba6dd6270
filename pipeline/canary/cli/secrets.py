"""Secrets: made of values that come from stdin, files or the environment, never from arguments."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from canary.collaborators import SECRET
from canary.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import BinaryIO

    from canary.collaborators import Cluster, Object


@dataclass(frozen=True)
class Sources:
    """Where values may come from.

    Attributes:
        stdin: bytes.
        environment: the process's.
    """

    stdin: BinaryIO
    environment: Mapping[str, str]

    def from_stdin(self) -> bytes:
        """Return all of stdin but a last newline, which `echo` and a terminal add."""
        return _without_newline(self.stdin.read())

    def from_environment(self, name: str) -> bytes:
        """Return a variable's value.

        Raises:
            InputError: it is not set.
        """
        if name not in self.environment:
            raise InputError(f"environment variable {name} is not set")
        return self.environment[name].encode()

    def from_file(self, path: str) -> bytes:
        """Return a file's content, to the byte.

        Raises:
            InputError: it cannot be read.
        """
        try:
            return Path(path).read_bytes()
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}") from error


@dataclass(frozen=True)
class Password:
    """Where a registry's password comes from: exactly one of these."""

    stdin: bool = False
    variable: str | None = None
    file: str | None = None

    def read(self, sources: Sources) -> str:
        """Return the password, without a last newline.

        Raises:
            InputError: not exactly one source is given, or it is empty or no text.
        """
        if [self.stdin, self.variable is not None, self.file is not None].count(True) != 1:
            raise InputError("a registry's Secret takes one of --password-stdin, --password-env and --password-file")
        if self.stdin:
            value = sources.from_stdin()
        elif self.variable is not None:
            value = sources.from_environment(self.variable)
        else:
            value = _without_newline(sources.from_file(self.file or ""))
        try:
            password = value.decode()
        except UnicodeDecodeError:
            raise InputError("the password is not UTF-8 text") from None  # the cause would hold it
        if not password:
            raise InputError("the password is empty")
        return password


def registry(name: str, namespace: str, *, server: str, username: str, password: str) -> Object:
    """Return a Secret to pull images from a registry with, as `kubectl create secret docker-registry` makes it."""
    auth = base64.b64encode(f"{username}:{password}".encode()).decode()
    login = {"username": username, "password": password, "auth": auth}
    content = json.dumps({"auths": {server: login}}, separators=(",", ":"))
    return _secret(name, namespace, "kubernetes.io/dockerconfigjson", {".dockerconfigjson": content.encode()})


def generic(
    name: str,
    namespace: str,
    sources: Sources,
    *,
    files: Sequence[str] = (),
    variables: Sequence[str] = (),
    stdin_key: str | None = None,
) -> Object:
    """Return a Secret of named values.

    Args:
        name: of the Secret.
        namespace: where it lives.
        sources: where values come from.
        files: `KEY=PATH`.
        variables: `KEY=VARIABLE`.
        stdin_key: key of what stdin brings.

    Raises:
        InputError: a value cannot be had, a key is given twice, or nothing is given.
    """
    wanted: list[tuple[str, str, Callable[[str], bytes]]] = [("--from-file", text, sources.from_file) for text in files]
    wanted += [("--from-env", text, sources.from_environment) for text in variables]
    values: dict[str, bytes] = {}
    for flag, text, read in wanted:
        key, separator, source = text.partition("=")
        if not (key and separator and source):
            raise InputError(f"{flag} {text}: write KEY={'PATH' if flag == '--from-file' else 'VARIABLE'}")
        if key in values:
            raise InputError(f"{flag} {text}: key {key} is given twice")
        values[key] = read(source)
    if stdin_key is not None:
        if stdin_key in values:
            raise InputError(f"--from-stdin {stdin_key}: key {stdin_key} is given twice")
        values[stdin_key] = sources.from_stdin()
    if not values:
        raise InputError("a Secret of what? give --server for a registry, or --from-file, --from-env or --from-stdin")
    return _secret(name, namespace, "Opaque", values)


def write(cluster: Cluster, secret: Object) -> str:
    """Create or update a Secret, and return `created`, `configured` or `unchanged`.

    All of its values are replaced; labels and annotations that it has in the cluster are kept.

    Raises:
        InputError: there is one of another type, which Kubernetes does not let change.
    """
    name = secret["metadata"]["name"]
    live = cluster.get(SECRET, name)
    if live is None:
        cluster.create(secret)
        return "created"
    if live.get("type") != secret["type"]:
        raise InputError(
            f"Secret {name} exists with type {live.get('type')}, which cannot become {secret['type']}: "
            "delete it first, or choose another name"
        )
    if live.get("data") == secret["data"]:
        return "unchanged"
    cluster.replace(live | {"data": secret["data"]})
    return "configured"


def _secret(name: str, namespace: str, kind: str, values: Mapping[str, bytes]) -> Object:
    data = {key: base64.b64encode(value).decode() for key, value in values.items()}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "data": data}


def _without_newline(value: bytes) -> bytes:
    return value.removesuffix(b"\n").removesuffix(b"\r")
