"""Where a release keeps what it has counted: the next driver goes on where a killed one stopped.

A ConfigMap `NAME-canary-counts` for each workload, owned by the Deployment `NAME-canary`: it goes with the canary,
whoever deletes that. A look that saw something new writes it, by one request. Its keys:

    format           version of the format, `1`; any other is an error
    verdict          the last verdict and its sentence: `PROMOTE: canary 95.0 % good vs …`
    counts.json      all else, as below
    counts.json.gz   the same in `binaryData`, compressed, where counts.json would have more than `READABLE` bytes

and those of counts.json, all times being Unix seconds:

    watched_since    when the first driver began to watch
    step             percentage of the step at hand, null where the canary says none
    watched          seconds of watching that count at this step, see `record.Record`
    seen_at          when the last look was, null where it does not count
    totals           what all pods counted, those that are gone included, each
                     [variant, metric, good, total, scrapes, spread], see `verdict.Evidence`
    before_step      requests of all pods before this step, each [variant, metric, total]
    buckets          requests of all pods by duration, each [variant, {upper bound in seconds: cumulative count}]
    processes        the last scrape of each process of each pod that is there, each
                     [process, [name of each counter], [[pod's uid, variant, at, started or null, warm-up over (0 or 1),
                     value of each counter], …]], see `measures.Measures.count`
    history          {"series": [[variant, metric], …], "points": [[at, good, total, scrapes and spread of each
                     series], …]}: the totals of canary and baseline over time, see `history.History`

The size depends on the pods that are there, not on those that ever were.
"""

from __future__ import annotations

import base64
import gzip
import json
import math
import zlib
from collections.abc import Mapping
from typing import Any

from canary.errors import InputError
from canary.objects import CONFIG_MAP, Object, owner_reference, owner_uids
from canary.ports import Cluster
from canary.state.record import Record, joined
from canary.variants.steps import step_of
from canary.verdict.history import History
from canary.verdict.rule import Decision
from canary.verdict.tally import Tally

FORMAT = "1"
"""Version of the format that is written, and the only one that is read."""

READABLE = 64 * 1024
"""Bytes up to which a person can read what is kept; more is compressed."""

COUNTS = "counts.json"
COMPRESSED = "counts.json.gz"


class CountsWriter:
    """Writes records into the cluster, and none that is there already."""

    def __init__(self, cluster: Cluster) -> None:
        """Take nothing for written."""
        self._cluster = cluster
        self._written: dict[str, Object] = {}

    def write(self, workload: str, canary: Object, record: Record) -> None:
        """Write what is known of a workload, by one request at most.

        Args:
            workload: its name.
            canary: its Deployment, as the API server has it.
            record: of the whole release.
        """
        kept = {
            "apiVersion": CONFIG_MAP.api_version,
            "kind": CONFIG_MAP.kind,
            "metadata": {"name": counts_name(canary["metadata"]["name"]), "ownerReferences": [owner_reference(canary)]},
            **_content(workload, _step(canary), record),
        }
        if self._written.get(workload) != kept:
            self._cluster.apply(kept)
            self._written[workload] = kept


def read_record(cluster: Cluster, canaries: Mapping[str, Object], *, warm_up: float) -> Record | None:
    """Return what is known of a release, None where nothing is.

    At a step that nobody has watched yet, time and requests begin at zero; what was counted before stays.

    Args:
        cluster: the Kubernetes API.
        canaries: the Deployments of its canaries, as the API server has them, by workload.
        warm_up: seconds, for pods that get ready from now on.

    Raises:
        InputError: what is kept cannot be read.
        ClusterError: it may not be read, or the cluster cannot be reached.
    """
    parts = [
        part for name, canary in canaries.items() if (part := _recalled(cluster, name, canary, warm_up)) is not None
    ]
    if not parts:
        return None
    record = joined(parts)
    return record if len(parts) == len(canaries) else record.at_new_step()


def read_json(cluster: Cluster, workload: str, canary: Object) -> Object:
    """Return what is kept of a workload as JSON, empty where nothing is; see `recall` for what it raises."""
    kept = _keeper(cluster, workload, canary)
    return {} if kept is None else _read(workload, kept)


def counts_name(canary: str) -> str:
    """Return the name of what keeps the counts of a canary."""
    return f"{canary}-counts"


def _recalled(cluster: Cluster, workload: str, canary: Object, warm_up: float) -> Record | None:
    keeper = _keeper(cluster, workload, canary)
    if keeper is None:
        return None
    read = _read(workload, keeper)
    decision, _, sentence = keeper["data"].get("verdict", "").partition(": ")
    try:
        record = Record(
            _seconds(read["watched_since"]),
            Tally.from_json(read, workload, warm_up),
            Decision(decision),
            sentence,
            _seconds(read["watched"]),
            None if read["seen_at"] is None else _seconds(read["seen_at"]),
            {workload: History.from_json(read["history"])},
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _unreadable(workload, keeper, error) from error
    return record if read.get("step") == _step(canary) else record.at_new_step()


def _keeper(cluster: Cluster, workload: str, canary: Object) -> Object | None:
    """Return the ConfigMap that keeps a canary's counts, None if there is none or it is that of an earlier canary."""
    name = counts_name(canary["metadata"]["name"])
    keeper = cluster.get(CONFIG_MAP, name)
    if keeper is None:
        return None
    version = (keeper.get("data") or {}).get("format")
    if version is None:
        raise InputError(
            f"ConfigMap {name} is not from canary (it has no key format), which keeps the counts of {workload} under "
            f"that name: rename it, or delete it: {_deletion(keeper)}"
        )
    owners = owner_uids(keeper)
    if owners and canary["metadata"]["uid"] not in owners:
        return None
    if version != FORMAT:
        raise InputError(
            f"ConfigMap {name} has the counts of {workload} in format {version}, and this version of canary reads "
            f"format {FORMAT}: use the version that wrote them, or end the release with canary reject {workload}"
        )
    return keeper


def _content(workload: str, step: int | None, record: Record) -> Object:
    """Return the keys of a ConfigMap that keeps what is known of a workload."""
    kept = {
        "watched_since": record.began,
        "step": step,
        "watched": record.watched,
        "seen_at": record.seen_at,
        **record.tally.as_json(workload),
        "history": record.histories.get(workload, History()).as_json(),
    }
    data = {"format": FORMAT, "verdict": f"{record.decision}: {record.sentence}"}
    text = json.dumps(kept, separators=(",", ":"))
    if len(text) <= READABLE:
        return {"data": data | {COUNTS: text}}
    packed = base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
    return {"data": data, "binaryData": {COMPRESSED: packed}}


def _read(workload: str, keeper: Object) -> Object:
    """Return the JSON that a ConfigMap keeps."""
    try:
        text = keeper["data"].get(COUNTS)
        if text is None:
            text = gzip.decompress(base64.b64decode(keeper["binaryData"][COMPRESSED], validate=True))
        read: Object = json.loads(text)
        if not isinstance(read, dict):
            raise TypeError("it is no object")  # noqa: TRY301 - one message for all that is wrong
    except (KeyError, TypeError, ValueError, OSError, EOFError, zlib.error) as error:
        raise _unreadable(workload, keeper, error) from error
    return read


def _unreadable(workload: str, keeper: Object, error: Exception) -> InputError:
    name = keeper["metadata"]["name"]
    what = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
    return InputError(
        f"ConfigMap {name} keeps the counts of {workload}, and cannot be read ({what}): end the release with canary "
        f"reject {workload}, or start counting from zero: {_deletion(keeper)}"
    )


def _deletion(keeper: Object) -> str:
    return f"kubectl delete configmap {keeper['metadata']['name']} -n {keeper['metadata']['namespace']}"


def _seconds(value: Any) -> float:  # noqa: ANN401 - of JSON
    seconds = float(value)
    if not math.isfinite(seconds):
        raise ValueError(f"{value} is no time")
    return seconds


def _step(canary: Object) -> int | None:
    step = step_of(canary)
    return None if step is None else step.percentage
