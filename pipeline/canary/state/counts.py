"""Saves the counts of a release in the cluster, so that the next driver continues where a killed one stopped.

Each workload has a ConfigMap `NAME-canary-counts`. The Deployment `NAME-canary` owns it, so that it is deleted with the
canary. Each look that saw something new writes it, with one request. Its keys:

    format           version of the format, `2`; `1` is read, too, and any other version is an error
    verdict          the last verdict and its sentence: `PROMOTE: canary 95.0 % good vs …`
    counts.json      everything else, as below
    counts.json.gz   the same in `binaryData`, compressed, where counts.json would have more than `READABLE` bytes

and those of counts.json (all times are Unix seconds):

    watched_since    when the first driver began to watch
    step             percentage of the current step, null where the canary has none
    watched          seconds of watching that count at this step, see `record.Record`
    seen_at          when the last look was, null where it does not count
    totals           counts of all pods, including deleted ones, each [variant, metric, good, total]
    strata           canary and baseline compared within each scrape, each [metric, numbers], see `strata.Strata`
    sample_ratio     the check for requests without an answer, see `sample_ratio.SampleRatio`
    before_step      requests of all pods before this step, each [variant, metric, total]
    buckets          requests of all pods by duration, each [variant, {upper bound in seconds: cumulative count}]
    processes        the last scrape of each process of each existing pod, each
                     [process, [name of each counter], [[pod's uid, variant, at, started or null, warm-up over (0 or 1),
                     value of each counter], …]], see `measures.Measures.count`
    history          {"series": [[variant, metric], …], "points": [[at, good and total of each series], …]}: the totals
                     of every variant over time, see `history.History`; older drivers leave out stable
    forecast         the decision to expect and the seconds until then (null for more than an hour), null if unknown
    last_look        {"interval", "waiting_for", "missing": {pod: why}}, see `record.LastLook`; older drivers do not
                     write it
    compared_by      {"alpha": …, "metrics": [{"name", "good", "total", "objective", "tolerance"}, …]}: what the last
                     look compared by, see `measures.Metric`; older drivers do not write it

The size depends on the existing pods, not on deleted ones.
"""

import base64
import gzip
import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from canary.errors import InputError
from canary.objects import CONFIG_MAP, Object, owner_reference, owner_uids
from canary.ports import Cluster
from canary.state.record import LastLook, Record, joined
from canary.variants.steps import step_of
from canary.verdict.comparison import Decision
from canary.verdict.forecast import Forecast
from canary.verdict.history import History
from canary.verdict.measures import Measures, Metric
from canary.verdict.selector import Selector
from canary.verdict.tally import Tally
from canary.verdict.tolerance import read_tolerance, tolerance_as_json

FORMAT = "2"
"""Version of the format that is written."""

FORMER = "1"
"""Version that is read, too: `[good, total, scrapes, spread]` in totals and points, and no strata."""

READABLE = 64 * 1024
"""Bytes up to which the counts stay readable; larger ones are compressed."""

COUNTS = "counts.json"
COMPRESSED = "counts.json.gz"


class CountsWriter:
    """Writes records into the cluster, each only if it has changed."""

    def __init__(self, cluster: Cluster) -> None:
        """Start with nothing written."""
        self._cluster = cluster
        self._written: dict[str, Object] = {}

    def write(self, workload: str, canary: Object, record: Record) -> None:
        """Write the record of a workload, with one request at most.

        Args:
            workload: its name.
            canary: its Deployment, as the API server has it.
            record: of the whole release.
        """
        config_map = {
            "apiVersion": CONFIG_MAP.api_version,
            "kind": CONFIG_MAP.kind,
            "metadata": {"name": counts_name(canary["metadata"]["name"]), "ownerReferences": [owner_reference(canary)]},
            **_content(workload, _step(canary), record),
        }
        if self._written.get(workload) != config_map:
            self._cluster.apply(config_map)
            self._written[workload] = config_map


def read_record(cluster: Cluster, canaries: Mapping[str, Object], *, warm_up: float) -> Record | None:
    """Return the record of a release, None where there is none.

    At a step that nobody has watched yet, time and requests start at zero; earlier counts stay.

    Args:
        cluster: the Kubernetes API.
        canaries: by workload, the Deployments of its canaries, as the API server has them.
        warm_up: seconds, for pods that become ready from now on.

    Raises:
        InputError: a ConfigMap has other content than this driver writes.
        ClusterError: the ConfigMap may not be read, or the cluster is unreachable.
    """
    parts = [
        part for name, canary in canaries.items() if (part := _recalled(cluster, name, canary, warm_up)) is not None
    ]
    if not parts:
        return None
    record = joined(parts)
    return record if len(parts) == len(canaries) else record.at_new_step()


def read_json(cluster: Cluster, workload: str, canary: Object) -> Object:
    """Return the saved counts of a workload as JSON, empty where there are none. Raises the same as `read_record`."""
    config_map = _config_map(cluster, workload, canary)
    return {} if config_map is None else _read(workload, config_map)


def counts_name(canary: str) -> str:
    """Return the name of the ConfigMap with the counts of a canary."""
    return f"{canary}-counts"


def _recalled(cluster: Cluster, workload: str, canary: Object, warm_up: float) -> Record | None:
    config_map = _config_map(cluster, workload, canary)
    if config_map is None:
        return None
    read = _read(workload, config_map)
    decision, _, sentence = config_map["data"].get("verdict", "").partition(": ")
    try:
        if config_map["data"]["format"] == FORMER:
            read = _converted(read)
        record = Record(
            _seconds(read["watched_since"]),
            Tally.from_json(read, workload, warm_up),
            Decision(decision),
            sentence,
            _seconds(read["watched"]),
            None if read["seen_at"] is None else _seconds(read["seen_at"]),
            {workload: History.from_json(read["history"])},
            *_compared_by(read),
            _forecast(read.get("forecast")),
            _last_look(read.get("last_look")),
        )
        record = record.comparing(record.measures) if record.measures else record
    except (AttributeError, InputError, KeyError, TypeError, ValueError) as error:
        raise _unreadable(workload, config_map, error) from error
    return record if read.get("step") == _step(canary) else record.at_new_step()


def _config_map(cluster: Cluster, workload: str, canary: Object) -> Object | None:
    """Return the ConfigMap with a canary's counts, None if there is none or it belongs to an earlier canary."""
    name = counts_name(canary["metadata"]["name"])
    config_map = cluster.get(CONFIG_MAP, name)
    if config_map is None:
        return None
    version = (config_map.get("data") or {}).get("format")
    if version is None:
        raise InputError(
            f"ConfigMap {name} is not from canary (it has no key format), which saves the counts of {workload} "
            f"under that name: rename it, or delete it: {_deletion(config_map)}"
        )
    owners = owner_uids(config_map)
    if owners and canary["metadata"]["uid"] not in owners:
        return None
    if version not in (FORMAT, FORMER):
        raise InputError(
            f"ConfigMap {name} has the counts of {workload} in format {version}, but this version of canary reads "
            f"format {FORMAT}: use the version that wrote them, or end the release: canary reject {workload}"
        )
    return config_map


def _converted(read: Object) -> Object:
    """Return counts of the former format in the present one; the strata follow from the history."""
    return read | {
        "totals": [row[:4] for row in read["totals"]],
        "strata": [],
        "history": {
            "series": read["history"]["series"],
            "points": [[at, *(values[:2] for values in rest)] for at, *rest in read["history"]["points"]],
        },
    }


def _content(workload: str, step: float | None, record: Record) -> Object:
    """Return the keys of a ConfigMap with the record of a workload."""
    counts = {
        "watched_since": record.began,
        "step": step,
        "watched": record.watched,
        "seen_at": record.seen_at,
        **record.tally.as_json(workload),
        "forecast": None if record.forecast is None else [record.forecast.decision, record.forecast.seconds],
        "history": record.histories.get(workload, History()).as_json(),
    }
    if record.last_look:
        counts["last_look"] = asdict(record.last_look)
    if record.measures:
        metrics = [_metric_as_json(one) for one in record.measures.metrics]
        counts["compared_by"] = {"alpha": record.alpha, "metrics": metrics}
    data = {"format": FORMAT, "verdict": f"{record.decision}: {record.sentence}"}
    text = json.dumps(counts, separators=(",", ":"))
    if len(text) <= READABLE:
        return {"data": data | {COUNTS: text}}
    packed = base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
    return {"data": data, "binaryData": {COMPRESSED: packed}}


def _metric_as_json(one: Metric) -> Object:
    return {
        "name": one.name,
        "total": str(one.total),
        "good": str(one.good),
        "objective": one.objective,
        "tolerance": tolerance_as_json(one.tolerance),
    }


def _compared_by(read: Object) -> tuple[Measures | None, float]:
    """Return what the last look compared by, and its error level."""
    compared_by = read.get("compared_by")
    if compared_by is None:
        return None, Record.alpha
    metrics = [
        Metric(
            one["name"],
            Selector.parse(one["total"]),
            Selector.parse(one["good"]),
            one["objective"],
            None if one["tolerance"] is None else read_tolerance(one["tolerance"]),
        )
        for one in compared_by["metrics"]
    ]
    return Measures.of(metrics), float(compared_by["alpha"])


def _forecast(read: Any) -> Forecast | None:  # noqa: ANN401 - of JSON
    if read is None:
        return None
    decision, seconds = read
    return Forecast(Decision(decision), None if seconds is None else _seconds(seconds))


def _last_look(read: Any) -> LastLook | None:  # noqa: ANN401 - of JSON
    if read is None:
        return None
    missing = {str(pod): str(why) for pod, why in read["missing"].items()}
    return LastLook(_seconds(read["interval"]), str(read["waiting_for"]), missing)


def _read(workload: str, config_map: Object) -> Object:
    """Return the JSON in a ConfigMap."""
    try:
        text = config_map["data"].get(COUNTS)
        if text is None:
            text = gzip.decompress(base64.b64decode(config_map["binaryData"][COMPRESSED], validate=True))
        read: Object = json.loads(text)
        if not isinstance(read, dict):
            raise TypeError("it is not an object")  # noqa: TRY301 - one message for all that is wrong
    except (KeyError, TypeError, ValueError, OSError, EOFError, zlib.error) as error:
        raise _unreadable(workload, config_map, error) from error
    return read


def _unreadable(workload: str, config_map: Object, error: Exception) -> InputError:
    name = config_map["metadata"]["name"]
    what = f"there is no {error}" if isinstance(error, KeyError) else str(error)
    return InputError(
        f"the counts of {workload} in ConfigMap {name} cannot be read ({what}): end the release (canary reject "
        f"{workload}), or start counting from zero: {_deletion(config_map)}"
    )


def _deletion(config_map: Object) -> str:
    return f"kubectl delete configmap {config_map['metadata']['name']} -n {config_map['metadata']['namespace']}"


def _seconds(value: Any) -> float:  # noqa: ANN401 - of JSON
    seconds = float(value)
    if not math.isfinite(seconds):
        raise ValueError(f"{value} is not a valid time")
    return seconds


def _step(canary: Object) -> float | None:
    step = step_of(canary)
    return None if step is None else step.percentage
