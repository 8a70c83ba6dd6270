"""Arguments and options that several commands share. The options of settings are derived from `settings.Settings`."""

from collections.abc import Callable
from typing import Any

import click
from click.shell_completion import CompletionItem

from canary.settings.settings import SETTINGS, Setting

IMAGES = ("images", "image_pull_secrets")
SIZES = ("percentage", "steps", "traffic", "route", "match", "replicas")
VARIANTS = (*SIZES, "others", "label", "timeout", "expire_after")
CONSOLE = ("listen", "tls_cert", "tls_key", "host_names", "user_header")
GATE = ("gate", "gate_url", "gate_token_file", "gate_timeout", *CONSOLE)
SAMPLES = (
    "good",
    "total",
    "metrics",
    "latency_objective",
    "latency_tolerance",
    "latency_histogram",
    "metrics_port",
    "metrics_path",
    "prometheus",
    "prometheus_headers",
    "prometheus_ca",
)
NOTIFICATIONS = ("notify_url", "notify_format", "grafana_url", "grafana_token_file")
VERDICT = (
    "tolerance",
    "alpha",
    "min_requests",
    "sample_ratio",
    "min_duration",
    "max_duration",
    "warm_up",
    "interval",
    "no_traffic_after",
)


def files(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let a shell complete the name of a file or folder."""
    return [CompletionItem(incomplete, type="file")]


manifests = click.argument("manifests", nargs=-1, metavar="[MANIFESTS]...", shell_complete=files)
workloads = click.argument("workloads", nargs=-1, metavar="[DEPLOYMENT|MANIFESTS]...", shell_complete=files)
supersede = click.option(
    "--supersede", is_flag=True, help="Reject another release of the same Deployment if one is in progress."
)
dry_run = click.option(
    "--dry-run",
    is_flag=True,
    help="Write nothing. Print the objects that would be written, without the values of Secrets.",
)


def settings(*attributes: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the options of settings, in this order."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for attribute in reversed(attributes):
            function = _option(SETTINGS[attribute])(function)
        return function

    return decorate


def _option(setting: Setting) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    default = f"  [default: {setting.show(setting.default)}]" if setting.has_default else ""
    short = ["-n"] if setting.attribute == "namespace" else []  # as in kubectl
    return click.option(
        *short,
        setting.flag,
        setting.attribute,
        multiple=setting.value_type.is_list,
        metavar=setting.value_type.metavar,
        help=setting.help + default,
        shell_complete=_completion(setting.value_type.metavar),
    )


def _completion(metavar: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]] | None:
    """Return how a shell completes a value, None if it does not."""
    if metavar in ("FILE", "FOLDER"):
        return files
    words = metavar.split("|")
    if len(words) == 1 or not all(word.islower() for word in words):
        return None
    return lambda _context, _parameter, incomplete: [
        CompletionItem(word) for word in words if word.startswith(incomplete)
    ]


def connection(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that name the cluster and the namespace."""
    function = click.option("--context", metavar="NAME", help="Context of the kubeconfig to use.")(function)
    function = click.option(
        "--kubeconfig",
        metavar="FILE",
        shell_complete=files,
        help="Path of a kubeconfig. By default $KUBECONFIG, ~/.kube/config, or the service account of the pod.",
    )(function)
    return settings("namespace")(function)


def results(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options --output and --verbose."""
    function = click.option("-v", "--verbose", is_flag=True, help="On an error, also print the traceback.")(function)
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["text", "json", "yaml"]),
        default="text",
        help="Format of the result on stdout. Everything else goes to stderr.  [default: text]",
    )(function)


def lock(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for the lock against other drivers."""
    function = click.option(
        "--break-lock", is_flag=True, help="Take over the lock from another driver, which then stops."
    )(function)
    return settings("lock_timeout")(function)
