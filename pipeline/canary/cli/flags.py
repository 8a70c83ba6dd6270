"""Flags that several commands share. Those of settings follow from `config.Settings`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from canary.settings.settings import Setting, all_settings

IMAGES = ("images", "image_pull_secrets")
VARIANTS = ("percentage", "steps", "others", "label", "timeout", "expire_after")
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
VERDICT = (
    "tolerance",
    "alpha",
    "min_requests",
    "min_duration",
    "max_duration",
    "warm_up",
    "interval",
    "no_traffic_after",
)


def manifests(function: Callable[..., Any]) -> Callable[..., Any]:
    """Take files, folders or - as arguments."""
    return click.argument("manifests", nargs=-1, metavar="[MANIFESTS]...")(function)


def workloads(function: Callable[..., Any]) -> Callable[..., Any]:
    """Take names of Deployments, or the manifests they stand in, as arguments."""
    return click.argument("workloads", nargs=-1, metavar="[DEPLOYMENT|MANIFESTS]...")(function)


def settings(*attributes: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Take flags for settings, in this order."""
    known = {one.attribute: one for one in all_settings()}

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for attribute in reversed(attributes):
            function = _flag(known[attribute])(function)
        return function

    return decorate


def _flag(one: Setting) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    default = "" if one.default in (None, ()) else f"  [default: {one.kind.show(one.default)}]"
    short = ["-n"] if one.attribute == "namespace" else []  # as kubectl has it
    return click.option(
        *short, one.flag, one.attribute, multiple=one.kind.many, metavar=one.kind.metavar, help=one.help + default
    )


def connection(function: Callable[..., Any]) -> Callable[..., Any]:
    """Take what says which cluster and namespace are meant."""
    function = click.option("--context", metavar="NAME", help="Context of the kubeconfig.")(function)
    function = click.option(
        "--kubeconfig",
        metavar="FILE",
        help="Kubeconfig; by default $KUBECONFIG, ~/.kube/config, or the account of the pod that this runs in.",
    )(function)
    return settings("namespace")(function)


def results(function: Callable[..., Any]) -> Callable[..., Any]:
    """Take how results are written, and how much is told on the way."""
    function = click.option("-v", "--verbose", is_flag=True, help="Say more on errors: where they come from.")(function)
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["text", "json"]),
        default="text",
        help="How to write the result to stdout; all else goes to stderr.  [default: text]",
    )(function)


def lock(function: Callable[..., Any]) -> Callable[..., Any]:
    """Take what is to be done about another driver."""
    function = click.option(
        "--break-lock", is_flag=True, help="Take the release over from another driver that works on it; that one stops."
    )(function)
    return settings("lock_timeout")(function)


def supersede(function: Callable[..., Any]) -> Callable[..., Any]:
    """Take the wish to end another release."""
    return click.option(
        "--supersede", is_flag=True, help="Reject another release of the same Deployment that is in progress."
    )(function)


def dry_run(function: Callable[..., Any]) -> Callable[..., Any]:
    """Take the wish to see what would be written."""
    return click.option(
        "--dry-run", is_flag=True, help="Write nothing; print the objects that would be, values of Secrets left out."
    )(function)
