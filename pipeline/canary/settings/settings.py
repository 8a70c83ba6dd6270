"""Settings of a release: from flags, the environment, `canary.yml` and defaults, in this order.

`Settings` is the one list of them: flags, CANARY_… variables, keys of the file and the JSON Schema that editors use all
follow from its fields.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from canary.errors import InputError
from canary.manifests.documents import parse
from canary.marks import VERSION_LABEL
from canary.settings.value_types import (
    Kind,
    Schema,
    choice,
    matching,
    metrics,
    port,
    rising,
    share,
    text,
    texts,
    time,
    whole,
)

FILE = "canary.yml"

_NAME = "[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_NAMESPACE = matching(_NAME, "a name of lower-case letters, digits and -", "NAME")
_LABEL = matching(
    rf"(?:{_NAME}(?:\.{_NAME})*/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?",
    "a label key such as azure-pipelines/version",
    "KEY",
)

_SERVICE_LINK = re.compile(
    r"(?P<service>[A-Z0-9_]+?)_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|"
    r"PORT(?:_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)"
)


def _setting(default: object, kind: Kind, sentence: str, *, flag: str = "") -> Any:  # noqa: ANN401 - a dataclass field
    return field(default=default, metadata={"kind": kind, "help": sentence, "flag": flag})


@dataclass(frozen=True)
class Settings:
    """What a release is made with; `canary config` explains each."""

    manifests: tuple[str, ...] = _setting((), texts("MANIFESTS"), "Files and folders with manifests; - for stdin.")
    images: tuple[str, ...] = _setting(
        (),
        texts("[NAME=]REF"),
        "Image to release. REF replaces the image of the same name, NAME=REF the image named NAME. Repeatable.",
        flag="image",
    )
    image_pull_secrets: tuple[str, ...] = _setting(
        (), texts("NAME"), "Secret to pull images with, added to every pod. Repeatable.", flag="image-pull-secret"
    )
    namespace: str | None = _setting(
        None, _NAMESPACE, "Namespace of the release. By default that of the kubeconfig's context."
    )
    percentage: int = _setting(25, whole(1, 100), "Size of canary and baseline, in percent of stable's pods.")
    steps: tuple[int, ...] = _setting(
        (),
        rising(1, 100, "10,25,50"),
        "Sizes to grow through, in percent, instead of one --percentage. Each step needs the verdict PROMOTE.",
    )
    label: str = _setting(VERSION_LABEL, _LABEL, "Key of the label that marks the variants.")
    others: str = _setting(
        "hold",
        choice("hold", "now"),
        "When to change other objects that exist: hold the change until promote, or write it now, at deploy.",
    )
    gate: str = _setting(
        "terminal", choice("terminal", "auto"), "Who decides: a person at this terminal, or (auto) the verdict."
    )
    tolerance: float | None = _setting(
        None,
        share("0.05 for five points"),
        "How much worse than the baseline a canary may be and still be promoted: a share, 0.05 for five points.",
    )
    alpha: float = _setting(0.05, share("0.05", ends=False), "Error level of the verdict, for all checks together.")
    good: str = _setting('requests_total{custom_status="good"}', text("SELECTOR"), "Counter of good requests.")
    total: str = _setting("requests_total", text("SELECTOR"), "Counter of all requests.")
    metrics: tuple[str, ...] = _setting(
        (),
        metrics(),
        "Counters to compare by, instead of --good and --total. The tolerance is by default that of --tolerance. "
        "Repeatable.",
        flag="metric",
    )
    latency_objective: float | None = _setting(
        None, time("250ms"), "Also compare the share of requests that are answered within this time."
    )
    latency_tolerance: float | None = _setting(
        None,
        share("0.05 for five points"),
        "Tolerance for the share of --latency-objective. By default that of --tolerance.",
    )
    latency_histogram: str = _setting(
        "request_duration_seconds", text("SELECTOR"), "Histogram of request durations, without the suffix _bucket."
    )
    metrics_port: str = _setting("metrics", port(), "Container port, by name or number, that exposes metrics.")
    metrics_path: str = _setting(
        "/metrics",
        matching(r"/\S*", "a path that begins with /, such as /actuator/prometheus", "PATH"),
        "Path at which that port exposes metrics.",
    )
    prometheus: str | None = _setting(
        None,
        text("URL"),
        "Read counts from this Prometheus: a URL, or svc:NAMESPACE/NAME:PORT through the API server. "
        "By default they are read from the pods.",
    )
    prometheus_headers: tuple[str, ...] = _setting(
        (),
        texts("NAME=@FILE"),
        "Header to send to Prometheus, with its value read from a file. Repeatable.",
        flag="prometheus-header",
    )
    prometheus_ca: str | None = _setting(None, text("FILE"), "File with the CA certificates to verify Prometheus with.")
    warm_up: float = _setting(
        10.0, time("10s"), "Ignore requests that a pod answers in this time after it becomes ready."
    )
    min_duration: float = _setting(
        300.0,
        time("5m"),
        "Minimum time to watch before promoting, at each step. Time without counts from all pods is left out.",
    )
    max_duration: float = _setting(3600.0, time("1h"), "Give up on a step after this long without a verdict.")
    min_requests: int = _setting(
        50, whole(1), "Minimum number of requests to each variant before promoting, at each step."
    )
    no_traffic_after: float = _setting(30.0, time("30s"), "Warn after this long without requests.")
    interval: float = _setting(2.0, time("2s"), "Time between two checks of the variants.")
    timeout: float = _setting(
        300.0,
        time("5m"),
        "Give up on a rollout after this long without progress (no further pod is updated or available), and on an API "
        "server that stops answering for this long.",
    )
    evidence: str | None = _setting(
        None,
        text("DIR"),
        "Folder for logs, events and counts of rejected canaries. "
        "By default canary/NAMESPACE in $XDG_STATE_HOME, or in ~/.local/state.",
    )
    lock_timeout: float = _setting(
        65.0,
        time("90s"),
        "How long to wait for another driver that holds the release's lock. "
        "A driver that was killed loses the lock within a minute.",
    )
    expire_after: float = _setting(1800.0, time("30m"), "Idle time after which canary reap may reject a canary.")


@dataclass(frozen=True)
class Setting:
    """One of the settings.

    Attributes:
        attribute: of `Settings`.
        key: in `canary.yml`.
        flag: on the command line.
        variable: in the environment.
        kind: what its value may be.
        default: its value where nothing is said.
        help: a sentence.
    """

    attribute: str
    key: str
    flag: str
    variable: str
    kind: Kind
    default: Any
    help: str


@dataclass(frozen=True)
class InForce:
    """Settings and where each came from.

    Attributes:
        settings: their values.
        sources: `--flag`, `CANARY_NAME`, `canary.yml:LINE` or `default`, by attribute.
    """

    settings: Settings
    sources: Mapping[str, str]


def all_settings() -> tuple[Setting, ...]:
    """Return every setting, in the order in which they are explained."""
    found = []
    for one in fields(Settings):
        key = one.name.replace("_", "-")
        found.append(
            Setting(
                one.name,
                key,
                f"--{one.metadata['flag'] or key}",
                f"CANARY_{one.name.upper()}",
                one.metadata["kind"],
                one.default,
                one.metadata["help"],
            )
        )
    return tuple(found)


def in_force(flags: Mapping[str, object], environment: Mapping[str, str], folder: Path) -> InForce:
    """Return the settings that hold: of flags, the environment, the folder's `canary.yml` and defaults the first.

    Args:
        flags: texts by attribute (tuples of texts for lists); None and empty tuples are flags not given.
        environment: the process's.
        folder: where `canary.yml` may be.

    Raises:
        InputError: a value that its setting cannot have, an unknown key, text that is not YAML; it says where.
    """
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    written = read_file(folder / FILE)
    own = {name: value for name, value in environment.items() if not _is_service_link(name, environment)}
    _check_variables(own)
    for one in all_settings():
        flag = flags.get(one.attribute)
        if flag is not None and flag != ():
            values[one.attribute] = flag if isinstance(flag, tuple) else _read(one, str(flag), f"{one.flag} {flag}")
            sources[one.attribute] = "arguments" if one.attribute == "manifests" else one.flag
        elif given := own.get(one.variable):
            values[one.attribute] = _read(one, given, f"{one.variable}={given}")
            sources[one.attribute] = one.variable
        elif one.attribute in written:
            values[one.attribute], sources[one.attribute] = written[one.attribute]
        else:
            sources[one.attribute] = "default"
    return InForce(Settings(**values), sources)


def sizes(in_force: InForce) -> tuple[int, ...]:
    """Return the sizes of canary and baseline, one after the other, in percent of stable's pods.

    Steps and percentage exclude each other: the one that is said nearer to the command line holds.

    Raises:
        InputError: both are said at the same place.
    """
    steps, percentage = (_remoteness(in_force.sources[name]) for name in ("steps", "percentage"))
    settings = in_force.settings
    if percentage < steps or not settings.steps:
        return (settings.percentage,)
    if percentage == steps:
        raise InputError(
            f"{in_force.sources['percentage']} and {in_force.sources['steps']}: "
            "use percentage for one size, or steps for several, not both"
        )
    return settings.steps


def _remoteness(source: str) -> int:
    """Return how far from the command line a source is."""
    if source == "default":
        return 3
    return 2 if source.startswith(f"{FILE}:") else 1 if source.startswith("CANARY_") else 0


def read_file(path: Path) -> dict[str, tuple[Any, str]]:
    """Return value and source of what a release file sets, by attribute; nothing of a file that does not exist.

    Raises:
        InputError: `canary.yml:LINE: what is wrong`.
    """
    name = path.name
    try:
        content = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InputError(f"{name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: not UTF-8 text") from error
    documents = [document for document in parse(content, name) if document.value is not None]
    if not documents:
        return {}
    if len(documents) > 1:
        raise InputError(f"{name}:{documents[1].line()}: a second document; put all settings into one")
    (document,) = documents
    if not isinstance(document.value, dict):
        raise InputError(f"{name}:{document.line()}: settings must be a mapping, such as percentage: 25")
    known = {one.key: one for one in all_settings()}
    found: dict[str, tuple[Any, str]] = {}
    for key, value in document.value.items():
        source = f"{name}:{document.line((key,))}"
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise InputError(f"{source}: unknown key {key}; {hint}")
        one = known[key]
        try:
            found[one.attribute] = one.kind.read(value), source
        except ValueError as error:
            shown = f"{key} {value}" if isinstance(value, str | int | float) and value != "" else key
            raise InputError(f"{source}: {shown}: must be {one.kind.wanted}") from error
    return found


def shown(settings: Settings, attribute: str) -> str:
    """Return a setting as a user would write it, empty where there is none."""
    value = getattr(settings, attribute)
    kind = next(one.kind for one in all_settings() if one.attribute == attribute)
    return "" if value is None else kind.show(value)


def as_flags(in_force: InForce, attributes: Iterable[str]) -> tuple[str, ...]:
    """Return settings as flags: those that flags or the environment say, and `canary.yml` does not."""
    known = {one.attribute: one for one in all_settings()}
    flags: list[str] = []
    for name in attributes:
        one, value = known[name], getattr(in_force.settings, name)
        if in_force.sources[name] in (one.flag, one.variable):
            texts = [str(item) for item in value] if one.kind.many else [one.kind.show(value)]
            flags += [part for text in texts for part in (one.flag, text)]
    return tuple(flags)


def schema() -> Schema:
    """Return the JSON Schema of `canary.yml`."""
    properties: dict[str, Schema] = {}
    for one in all_settings():
        properties[one.key] = {"description": one.help} | one.kind.schema
        if one.default not in (None, ()):
            is_time = isinstance(one.kind.schema.get("type"), list)
            properties[one.key]["default"] = one.kind.show(one.default) if is_time else one.default
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of a canary release",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }


def _is_service_link(name: str, environment: Mapping[str, str]) -> bool:
    """Return whether Kubernetes made a variable: a Service canary-metrics sets CANARY_METRICS_PORT in its namespace."""
    found = _SERVICE_LINK.fullmatch(name)
    return found is not None and "://" in environment.get(f"{found['service']}_PORT", "")


def _check_variables(environment: Mapping[str, str]) -> None:
    """Refuse a variable that looks like a misspelt one of ours: it would be left out without a word."""
    known = [one.variable for one in all_settings()]
    for name in environment:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.85) if name.startswith("CANARY_") else []
        if near and name not in known:
            raise InputError(f"environment variable {name}: did you mean {near[0]}?")


def _read(one: Setting, given: str, shown: str) -> Any:  # noqa: ANN401
    try:
        return one.kind.read_text(given)
    except ValueError as error:
        raise InputError(f"{shown}: must be {one.kind.wanted}") from error
