"""The results of commands as text, JSON and YAML, and how they are printed."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click
import yaml

from canary.events import Differs, Event
from canary.manifests.documents import Dumper, dump
from canary.manifests.masking import masked
from canary.objects import Object
from canary.plurals import in_exact_percent, in_percent
from canary.printable import printable, printable_json
from canary.release.status import Status
from canary.settings.resolution import Resolved
from canary.settings.settings import SETTINGS, Setting
from canary.times import parse_timestamp, readable
from canary.verdict.tolerance import Multiple


def print_result(given: Mapping[str, Any], result: object) -> bool:
    """Print a result if --output json or yaml was given, and return whether it was."""
    match given["output"]:
        case "json":
            click.echo(printable_json(to_json(result)))
        case "yaml":
            click.echo(to_yaml(result), nl=False)
        case _:
            return False
    return True


def print_objects(
    given: Mapping[str, Any], objects: Iterable[Object], *, differs: Sequence[Differs] | None = None
) -> None:
    """Print objects without the values of Secrets, as YAML or as JSON. JSON includes the differences, if given."""
    shown = [masked(item) for item in objects]
    more = {} if differs is None else {"differs": events_as_json(differs)}
    if not print_result(given, {"objects": shown, **more}):
        click.echo(dump(shown), nl=False)


def to_json(value: object) -> str:
    """Return indented JSON, with its keys in the given order."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def to_yaml(value: object) -> str:
    """Return YAML of the same value as the JSON, with its keys in the given order and a text on one line."""
    plain = json.loads(to_json(value))
    dumped = yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=math.inf)
    return re.sub("#(?=#)", r"\\x23", dumped)  # as `printable_json`: an agent carries out commands that it finds


class _Dumper(Dumper):
    """Also quotes each text in which something must be escaped."""


def _quoted(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    is_plain = text.isprintable() and "##" not in text
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if is_plain else '"')


_Dumper.add_representer(str, _quoted)


def status_as_text(status: Status) -> str:
    """Return the status of a release, with a block for each workload."""
    if not status.workloads:
        return f"no release in namespace {status.namespace}"
    blocks = []
    for workload in status.workloads:
        rows = [
            (
                str(variant.variant),
                variant.name,
                f"{variant.ready}/{variant.desired} ready",
                ", ".join(variant.images) + (f"  ({variant.reason})" if variant.reason else ""),
            )
            for variant in workload.variants
        ]
        step = f", at {workload.step}" if workload.step else ""
        lines = [f"{workload.name} in namespace {status.namespace}{step}"]
        lines += [f"  {line}" for line in columns(rows)]
        if workload.traffic:
            asked, seen = workload.traffic.asked, workload.traffic.seen
            of_late = "" if seen is None else f"; of the latest requests, it answered {in_percent(seen)}"
            lines.append(f"  HTTPRoute {workload.traffic.route} gives the canary {in_exact_percent(asked)}{of_late}")
        if workload.driver:
            since, renewed = readable(workload.driver.since), readable(workload.driver.renewed)
            if workload.driver.has_ended:
                lines.append(f"  {workload.driver.name} is no longer running; it last renewed its lock at {renewed}")
            else:
                holds = "has been at work" if workload.is_at_work else "may be gone: it has held the lock"
                lines.append(f"  {workload.driver.name} {holds} since {since}; it last renewed the lock at {renewed}")
        if workload.gate:
            lines.append(f"  waits for a decision since {readable(workload.gate.since)}")
        if workload.expires_in is not None and workload.gate is None:  # nothing expires while a gate waits
            lines.append(f"  {_expiry(workload.expires_in)}")
        lines += [f"  {sentence}" for sentence in workload.unknown]
        if workload.verdict:
            lines.append(f"  verdict: {workload.verdict}: {workload.sentence}")
        if workload.waiting_for:
            lines.append(f"  the last look waited for: {workload.waiting_for}")
        if workload.forecast:
            condition = "" if workload.is_at_work else " if watching goes on"
            lines.append(f"  expected{condition}: {workload.forecast}")
        if workload.unproven:
            lines.append(f"  stable was promoted unproven: {workload.unproven}")
        if workload.rollback:
            replaced = readable(parse_timestamp(workload.rollback.replaced))
            restores = f"restores {', '.join(workload.rollback.images)}, replaced {replaced}"
            lines.append(f"  rollback {restores}: {workload.rollback.command}")
        lines += [f"  next: {sentence}" for sentence in workload.next]
        blocks.append(lines)
    return "\n\n".join("\n".join(map(printable, block)) for block in blocks)


def _expiry(seconds: float) -> str:
    """Return in how many seconds a canary expires, in words."""
    if seconds <= 0:
        return "expired: canary reap rejects it, unless you run canary watch"
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    left = "within a minute" if seconds < 60 else f"in {minutes} min" if minutes < 120 else f"in {hours} h"
    return f"expires {left}; canary watch postpones that"


def config_as_text(resolved: Resolved) -> str:
    """Return every setting with its value and its source."""
    rows = [
        (setting.key, resolved.show(attribute) or "-", resolved.sources[attribute])
        for attribute, setting in SETTINGS.items()
    ]
    return "\n".join(columns(rows))


def config_as_json(resolved: Resolved) -> dict[str, Any]:
    """Return every setting with its value and its source. Durations are in seconds."""
    return {
        setting.key: {"value": _for_json(setting, resolved), "source": resolved.sources[setting.attribute]}
        for setting in SETTINGS.values()
    }


def _for_json(setting: Setting, resolved: Resolved) -> object:
    value = getattr(resolved.settings, setting.attribute)
    if isinstance(value, Multiple):
        return str(value)
    is_shown = setting.value_type.is_secret and not setting.value_type.is_list
    return setting.show(value) if is_shown else value


def events_as_json(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Return the events that the result of a command consists of."""
    return [asdict(event) for event in events]


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
