"""The content of a new canary.yml: what was found and answered, with a comment on each setting."""

import textwrap
from collections.abc import Mapping
from typing import Any

import yaml

from canary.cli.interview import Answers
from canary.doctor.discovery import Exposed
from canary.objects import Object
from canary.plurals import counted
from canary.settings.resolution import Resolved
from canary.settings.settings import SETTINGS
from canary.variants.sizes import replicas, variant_replicas

WIDTH = 116  # characters of a line without "# "


def content(resolved: Resolved, deployment: Object, exposed: Exposed, answers: Answers) -> str:
    """Return the text of canary.yml.

    Args:
        resolved: the settings that were given.
        deployment: of the manifests.
        exposed: what its pods expose.
        answers: the rest.
    """
    settings, name, stable = resolved.settings, deployment["metadata"]["name"], replicas(deployment)
    count = variant_replicas(stable, settings.percentage)
    pods = f"{counted(count, 'pod')} each"
    blocks = [
        _block(
            f"Settings of the releases of {name}, written by canary init. canary reads this file in the current "
            "directory. Flags and CANARY_… variables override it. canary config shows the values in use, and canary "
            "config --help explains all settings."
        ),
        _block("The files and folders that a release deploys.", manifests=list(settings.manifests)),
        _block(
            f"The size of canary and baseline, in percent of stable's pods. Of {stable}, that is {pods}."
            f"{_about_steps(stable)}",
            percentage=settings.percentage,
        ),
        _block(
            "How much worse than the baseline a canary may be, and still be promoted: a share of all requests (0.01 is "
            "one point), or a multiple of the baseline's bad answers (1.5x).",
            tolerance=SETTINGS["tolerance"].value_type.from_text(answers.tolerance),
        ),
        _block(_about_counters(exposed, answers), total=answers.total, good=answers.good),
        *_source(resolved, exposed),
    ]
    if resolved.sources["namespace"] != "default":
        blocks.append(_block("The namespace of the release.", namespace=settings.namespace))
    blocks.append(
        _block(
            f"A canary is promoted after {_default('min_duration')} at the earliest, and requests of a pod's first "
            f"{_default('warm_up')} do not count. To try releases out, remove the # of these lines."
        )
        + "# min-duration: 30s\n# warm-up: 3s\n"
    )
    return "\n".join(blocks)


def _default(name: str) -> str:
    setting = SETTINGS[name]
    return setting.show(setting.default)


def _about_steps(stable: int) -> str:
    """Return how to grow in steps of which each adds a pod; nothing where there are no two of them."""
    by_size = {variant_replicas(stable, percent): percent for percent in (10, 25, 50, 100)}
    steps = sorted(by_size.values())[:3]
    return f" To grow in steps instead, replace this line with steps: {steps}." if len(steps) > 1 else ""


def _about_counters(exposed: Exposed, answers: Answers) -> str:
    text = "The counter of all requests, and of the good ones among them."
    counter = answers.counter
    if counter is None:
        missing = exposed.without(answers.total, answers.good)
        if missing:
            return f"{text} Not found in a running pod: {' and '.join(missing)}. canary doctor checks them."
        return (
            f"{text} Found by name in {counted(len(exposed.pods), 'running pod')}: canary doctor checks their labels."
        )
    text += f" Seen in {counted(len(exposed.pods), 'running pod')}: {counter.counted:,.0f} requests"
    text += f", {counter.percent_good:.4g} % of them good" if counter.counted else ""
    text += f"; the values of {counter.label}: {', '.join(counter.values)}."
    if len(exposed.requests) > 1:
        others = ", ".join(str(one.good) for one in exposed.requests if one is not counter)
        text += f" Other counters that you could use: {others}."
    return text


def _source(resolved: Resolved, exposed: Exposed) -> list[str]:
    """Return where the counts come from."""
    settings = resolved.settings
    if settings.prometheus:
        given: dict[str, Any] = {"prometheus": settings.prometheus}
        if settings.prometheus_headers:
            given["prometheus-headers"] = list(settings.prometheus_headers)
        if settings.prometheus_ca:
            given["prometheus-ca"] = settings.prometheus_ca
        return [_block("The Prometheus to read counts from.", given)]
    port, path = (exposed.port or settings.metrics_port, exposed.path or settings.metrics_path)
    text = "The container port and the path at which the pods expose their counters."
    if not exposed.port:
        text += " Nothing was found there yet: canary doctor checks them."
    return [_block(text, {"metrics-port": int(port) if port.isdecimal() else port, "metrics-path": path})]


def _block(comment: str, more: Mapping[str, Any] | None = None, /, **settings: Any) -> str:  # noqa: ANN401 - any YAML
    """Return settings below their comment."""
    lines = textwrap.wrap(comment, WIDTH, break_long_words=False, break_on_hyphens=False)
    values = [f"{key}: {_inline(value)}\n" for key, value in {**settings, **(more or {})}.items()]
    return "".join([*(f"# {line}\n" for line in lines), *values])


def _inline(value: object) -> str:
    """Return a value as YAML in one line."""
    return yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("\n...\n").rstrip()
