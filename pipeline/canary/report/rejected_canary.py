"""What a rejected canary left: how its containers ended, and their last lines, from the evidence that `reject` saved.

The folder may hold megabytes. Only the ends of a few logs are read, and what is left out is said.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from canary.events import Rejected
from canary.observe.diagnosis import ending, failure

LOGS = 6
"""Maximum number of logs that are shown, of all workloads."""

LINES = 20
"""Maximum number of lines of a log, from its end."""

WIDTH = 300
"""Maximum number of characters of a line."""

ENDS = 20
"""Maximum number of containers that are listed for a workload."""

_READ = LINES * WIDTH * 4
"""Bytes that are read from the end of a log."""


@dataclass(frozen=True)
class Ended:
    """A container that ended, or waits for something, or a pod that failed.

    Attributes:
        pod: its name.
        container: its name, empty where the whole pod failed.
        restarts: how often it was started again.
        how: such as `OOMKilled (exit code 137)`.
    """

    pod: str
    container: str
    restarts: int
    how: str


@dataclass(frozen=True)
class Tail:
    """The end of a log.

    Attributes:
        name: of its file: `POD.CONTAINER.log`, or `POD.CONTAINER.previous.log` of the run before the last restart.
        lines: oldest first.
        cut: whether earlier lines are left out.
    """

    name: str
    lines: tuple[str, ...]
    cut: bool


@dataclass(frozen=True)
class RejectedCanary:
    """What is left of the canary of a workload.

    Attributes:
        workload: the stable Deployment's name.
        reason: why it was rejected.
        folder: with everything, empty where nothing was saved.
        ended: its containers that did not simply run.
        more_ended: how many more there were.
        logs: those of containers that ended first.
        more_logs: how many more there are.
        problem: why the folder cannot be read, empty if it can.
    """

    workload: str
    reason: str
    folder: str
    ended: tuple[Ended, ...] = ()
    more_ended: int = 0
    logs: tuple[Tail, ...] = ()
    more_logs: int = 0
    problem: str = ""


def rejected_canaries(rejected: Sequence[Rejected]) -> tuple[RejectedCanary, ...]:
    """Return what is left of the canaries that were rejected."""
    each = max(1, LOGS // len(rejected)) if rejected else 0
    return tuple(_of(one, each if place < LOGS else 0) for place, one in enumerate(rejected))


def _of(one: Rejected, logs: int) -> RejectedCanary:
    if not one.evidence:
        return RejectedCanary(one.workload, one.reason, "")
    folder = Path(one.evidence)
    try:
        pods = json.loads((folder / "pods.json").read_text(encoding="utf-8"))
        ended = list(_ended(pods))
        files = sorted(folder.glob("*.log"), key=lambda file: (not _is_of(file, ended), file.name))
        return RejectedCanary(
            one.workload,
            one.reason,
            one.evidence,
            tuple(ended[:ENDS]),
            max(0, len(ended) - ENDS),
            tuple(map(_tail, files[:logs])),
            max(0, len(files) - logs),
        )
    except OSError as error:
        problem = error.strerror or type(error).__name__
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        problem = f"pods.json is not as canary writes it ({type(error).__name__})"
    return RejectedCanary(one.workload, one.reason, one.evidence, problem=problem)


def _is_of(file: Path, ended: Sequence[Ended]) -> bool:
    return any(file.name.startswith(f"{one.pod}.{one.container}") for one in ended)


def _ended(pods: Sequence[Mapping[str, Any]]) -> Iterator[Ended]:
    for pod in pods:
        if pod["variant"] != "canary":
            continue
        if pod.get("phase") == "Failed":
            yield Ended(pod["name"], "", 0, failure({"status": pod}))
        for container in pod["containers"]:
            state, before = container.get("state") or {}, container.get("lastState") or {}
            restarts = int(container.get("restartCount") or 0)
            found = state.get("terminated") or before.get("terminated")
            waiting = state.get("waiting") or {}
            parts = [ending(found)] if found and (restarts or found.get("exitCode")) else []
            if waiting:
                parts.append(": ".join(filter(None, (waiting.get("reason") or "waiting", waiting.get("message")))))
            if parts or restarts:
                yield Ended(pod["name"], container["name"], restarts, "; ".join(parts) or "ended")


def _tail(file: Path) -> Tail:
    with file.open("rb") as opened:
        size = opened.seek(0, 2)
        opened.seek(max(0, size - _READ))
        text = opened.read().decode(errors="replace")
    lines = text.split("\n")
    lines = [line.rstrip("\r") for line in (lines[:-1] if lines[-1] == "" else lines)]
    shown = [line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…" for line in lines[-LINES:]]
    return Tail(file.name, tuple(shown), cut=size > _READ or len(lines) > LINES)
