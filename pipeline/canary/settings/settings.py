"""The settings of a release.

`Settings` is the only list of them. Its fields define the flags, the CANARY_… variables, the keys of `canary.yml` and
the JSON Schema for editors.
"""

from dataclasses import Field, dataclass, field, fields
from typing import Any

from canary.marks import VERSION_LABEL
from canary.settings.value_types import (
    Schema,
    ValueType,
    choice,
    duration,
    headers,
    integer,
    metric_list,
    pattern,
    percentage,
    port,
    rising_percentages,
    secret_url,
    share,
    share_or_multiple,
    string,
    strings,
    switch,
    url,
)
from canary.verdict.tolerance import Tolerance

SECRET_VARIABLES = ("CANARY_GATE_TOKEN", "CANARY_GRAFANA_TOKEN")
"""Variables with secrets. They are no settings: a flag would show their values to every user of the machine."""

_NAME = "[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_NAMESPACE = pattern(_NAME, "a name of lower-case letters, digits and -", "NAME")
_ROUTE = pattern(rf"{_NAME}(?:\.{_NAME})*", "a name of lower-case letters, digits, - and .", "NAME")
_LABEL = pattern(
    rf"(?:{_NAME}(?:\.{_NAME})*/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?",
    "a label key such as azure-pipelines/version",
    "KEY",
)


def _setting(default: object, value_type: ValueType, sentence: str, *, flag: str = "") -> Any:  # noqa: ANN401 - as field
    return field(default=default, metadata={"value_type": value_type, "help": sentence, "flag": flag})


@dataclass(frozen=True)
class Settings:
    """The settings of a release. `canary config --help` explains them."""

    manifests: tuple[str, ...] = _setting((), strings("MANIFESTS"), "Files and folders with manifests; - for stdin.")
    images: tuple[str, ...] = _setting(
        (),
        strings("[NAME=]REF"),
        "Image to release. REF replaces the image of the same name, NAME=REF the image named NAME. Repeatable.",
        flag="image",
    )
    image_pull_secrets: tuple[str, ...] = _setting(
        (), strings("NAME"), "Secret to pull images with, added to every pod. Repeatable.", flag="image-pull-secret"
    )
    namespace: str | None = _setting(
        None, _NAMESPACE, "Namespace of the release. By default that of the kubeconfig's context."
    )
    percentage: float = _setting(
        25,
        percentage(),
        "Size of canary and baseline, in percent of stable's pods; with --traffic gateway, also their share.",
    )
    steps: tuple[float, ...] = _setting(
        (),
        rising_percentages("10,25,50"),
        "Sizes to grow through, in percent, instead of one --percentage. Each step needs the verdict PROMOTE.",
    )
    traffic: str = _setting(
        "pods",
        choice("pods", "gateway"),
        "What divides the requests: the numbers of pods behind the Service, or an HTTPRoute of the Gateway API.",
    )
    route: str | None = _setting(
        None, _ROUTE, "With --traffic gateway: the HTTPRoute that sends requests to the Service of the Deployment."
    )
    match: str | None = _setting(
        None,
        pattern(
            r"header:[-A-Za-z0-9_]{1,64}=[^\x00-\x20\x7f](?:[^\x00-\x1f\x7f]{0,254}[^\x00-\x20\x7f])?",
            "a header and its value, such as header:X-Canary=always",
            "header:NAME=VALUE",
        ),
        "With --traffic gateway: send all requests with this header to the canary, for testers. "
        "With --percentage 0, it gets no others.",
    )
    replicas: int | None = _setting(
        None,
        integer(1),
        "With --traffic gateway: number of pods of canary and baseline, each. By default the percentage of stable's.",
    )
    label: str = _setting(VERSION_LABEL, _LABEL, "Key of the label that marks the variants.")
    others: str = _setting(
        "hold",
        choice("hold", "now"),
        "When to change existing objects other than Deployments: hold the change until promote, or write it now, at "
        "deploy.",
    )
    gate: str = _setting(
        "terminal",
        choice("terminal", "console", "auto", "manual", "webhook"),
        "Who decides: a person at this terminal, a person in a browser (console), the verdict (auto), canary promote "
        "or canary reject from elsewhere (manual), or an HTTP server (webhook).",
    )
    gate_url: str | None = _setting(
        None,
        secret_url("https://approvals.example/canary"),
        "Ask this server with --gate webhook: it answers 200 to promote, 403 to reject, 202 to be asked again. If the "
        "URL is a secret, use the variable or a file (@FILE): other users can see arguments.",
    )
    gate_token_file: str | None = _setting(
        None,
        string("FILE"),
        "File with the bearer token for --gate-url. By default the token is taken from CANARY_GATE_TOKEN.",
    )
    gate_timeout: float = _setting(
        3600.0, duration("1h"), "Give up on a decision after this long, with --gate console, manual or webhook."
    )
    listen: str = _setting(
        "127.0.0.1:0",
        pattern(
            r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:\[\]]+):[0-9]{1,5}", "a host and a port such as 127.0.0.1:8443", "HOST:PORT"
        ),
        "Address of the console; port 0 takes a free one. Other addresses than loopback need --tls-cert and --tls-key.",
    )
    tls_cert: str | None = _setting(None, string("FILE"), "Certificate chain of the console, as a PEM file.")
    tls_key: str | None = _setting(None, string("FILE"), "Private key of that certificate, as a PEM file.")
    host_names: tuple[str, ...] = _setting(
        (),
        strings("NAME"),
        "Host name by which browsers reach the console through a proxy. Repeatable.",
        flag="host-name",
    )
    user_header: str | None = _setting(
        None,
        pattern(r"[A-Za-z0-9-]+", "the name of an HTTP header such as X-Forwarded-User", "HEADER"),
        "Header with the user's name, set by a proxy that authenticates the users of the console.",
    )
    tolerance: Tolerance | None = _setting(  # noqa: RUF009 - a field
        None,
        share_or_multiple(),
        "How much worse than the baseline a canary may be and still be promoted: a share of requests (0.05 for five "
        "points), or a multiple of the baseline's errors (1.5x).",
    )
    alpha: float = _setting(0.05, share("0.05", ends=False), "Error level of the verdict, for all checks together.")
    good: str = _setting('requests_total{custom_status="good"}', string("SELECTOR"), "Counter of good requests.")
    total: str = _setting("requests_total", string("SELECTOR"), "Counter of all requests.")
    metrics: tuple[str, ...] = _setting(
        (),
        metric_list(),
        "Counters to compare by, instead of --good and --total. The default tolerance is that of --tolerance. "
        "Repeatable.",
        flag="metric",
    )
    latency_objective: float | None = _setting(
        None, duration("250ms"), "Also compare the share of requests that are answered within this time."
    )
    latency_tolerance: Tolerance | None = _setting(  # noqa: RUF009 - a field
        None,
        share_or_multiple(),
        "Tolerance for the share of requests within --latency-objective. By default that of --tolerance.",
    )
    latency_histogram: str = _setting(
        "request_duration_seconds", string("SELECTOR"), "Histogram of request durations, without the suffix _bucket."
    )
    metrics_port: str = _setting("metrics", port(), "Container port, by name or number, that exposes metrics.")
    metrics_path: str = _setting(
        "/metrics",
        pattern(r"/\S*", "a path that begins with /, such as /actuator/prometheus", "PATH"),
        "Path at which that port exposes metrics.",
    )
    prometheus: str | None = _setting(
        None,
        string("URL"),
        "Read counts from this Prometheus: a URL, or svc:NAMESPACE/NAME:PORT through the API server. "
        "By default they are read from the pods.",
    )
    prometheus_headers: tuple[str, ...] = _setting(
        (),
        headers(),
        "Header to send to Prometheus, with its value read from a file. Repeatable.",
        flag="prometheus-header",
    )
    prometheus_ca: str | None = _setting(
        None, string("FILE"), "File with the CA certificates to verify Prometheus with."
    )
    warm_up: float = _setting(
        10.0, duration("10s"), "Ignore requests that a pod answers in this time after it becomes ready."
    )
    min_duration: float = _setting(
        300.0,
        duration("5m"),
        "Minimum time to watch before promoting, at each step. Time in which counts are missing is not included.",
    )
    max_duration: float = _setting(3600.0, duration("1h"), "Give up on a step after this long without a verdict.")
    min_requests: int = _setting(
        50, integer(1), "Minimum number of requests to each variant before promoting, at each step."
    )
    sample_ratio: str = _setting(
        "on",
        switch(),
        "Do not promote while canary or baseline answers far fewer requests than its pods should: it may hang. "
        "Turn this off if clients keep only a few connections open.",
    )
    no_traffic_after: float = _setting(30.0, duration("30s"), "Warn after this long without requests.")
    interval: float = _setting(2.0, duration("2s"), "Time between two checks of the variants.")
    timeout: float = _setting(
        300.0,
        duration("5m"),
        "Give up on a rollout after this long without progress (no further pod is updated or available), and on an API "
        "server that stops answering for this long.",
    )
    evidence: str | None = _setting(
        None,
        string("DIR"),
        "Folder for logs, events and counts of rejected canaries. "
        "By default canary/NAMESPACE in $XDG_STATE_HOME, or in ~/.local/state.",
    )
    report: str | None = _setting(
        None,
        string("DIR"),
        "Folder for report.html, report.md and report.json, written when the command ends, however it ends. "
        "Earlier reports there move to its folder past/; the 50 newest of them stay.",
    )
    lock_timeout: float = _setting(
        65.0,
        duration("90s"),
        "How long to wait for another driver that holds the release's lock. "
        "A driver that was killed loses the lock within a minute.",
    )
    expire_after: float = _setting(1800.0, duration("30m"), "Idle time after which canary reap may reject a canary.")
    notify_url: str | None = _setting(
        None,
        secret_url("https://chat.example/hook"),
        "Send a JSON document about each stage of the release to this URL. If the URL is a secret, use the variable or "
        "a file (@FILE): other users can see arguments.",
    )
    notify_format: str = _setting(
        "json",
        choice("json", "teams"),
        "Format of these documents: json for programs and for Slack, teams for a Workflows webhook of Microsoft Teams.",
    )
    grafana_url: str | None = _setting(
        None, url("https://grafana.example"), "Annotate the release in this Grafana, from deploy to the decision."
    )
    grafana_token_file: str | None = _setting(
        None,
        string("FILE"),
        "File with the service account token for --grafana-url. By default the token is taken from "
        "CANARY_GRAFANA_TOKEN.",
    )


@dataclass(frozen=True)
class Setting:
    """One of the settings.

    Attributes:
        attribute: name in `Settings`.
        key: name in `canary.yml`.
        flag: name on the command line.
        variable: name in the environment.
        value_type: the type of its value.
        default: its value if nothing sets it.
        help: one or two sentences.
    """

    attribute: str
    key: str
    flag: str
    variable: str
    value_type: ValueType
    default: Any
    help: str

    @property
    def has_default(self) -> bool:
        """Return whether there is a default to show."""
        return self.default not in (None, ())

    def show(self, value: object) -> str:
        """Return a value of the setting as a user would write it, empty for None."""
        return "" if value is None else self.value_type.show(value)


def _as_setting(declared: Field[Any]) -> Setting:
    key = declared.name.replace("_", "-")
    return Setting(
        declared.name,
        key,
        f"--{declared.metadata['flag'] or key}",
        f"CANARY_{declared.name.upper()}",
        declared.metadata["value_type"],
        declared.default,
        declared.metadata["help"],
    )


SETTINGS = {declared.name: _as_setting(declared) for declared in fields(Settings)}
"""Every setting by its attribute, in the order of the help texts."""


def schema() -> Schema:
    """Return the JSON Schema of `canary.yml`."""
    properties: dict[str, Schema] = {}
    for setting in SETTINGS.values():
        properties[setting.key] = {"description": setting.help} | setting.value_type.schema
        if setting.has_default:
            is_duration = isinstance(setting.value_type.schema.get("type"), list)
            properties[setting.key]["default"] = setting.show(setting.default) if is_duration else setting.default
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of a canary release",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }
