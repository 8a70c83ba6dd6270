"""What a release knows of itself, kept in annotations of its canaries: a killed driver's successor goes on with it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from canary.collaborators import DEPLOYMENT
from canary.tally import Tally
from canary.variants import OWN_PREFIX
from canary.verdict import Decision

if TYPE_CHECKING:
    from canary.collaborators import Cluster, Object

TOTALS = f"{OWN_PREFIX}totals"
BEGAN = f"{OWN_PREFIX}watched-since"
VERDICT = f"{OWN_PREFIX}verdict"


@dataclass(frozen=True)
class Record:
    """What was found out so far.

    Attributes:
        began: Unix seconds when the first driver began to watch.
        tally: everything counted.
        decision: the last verdict's.
        sentence: the last verdict for a person, empty before the first.
    """

    began: float
    tally: Tally
    decision: Decision = Decision.UNDECIDED
    sentence: str = ""


def recall(canary: Object, *, warm_up: float) -> Record | None:
    """Return the record that a canary carries, None when it carries none.

    Args:
        canary: the Deployment, as the API server has it.
        warm_up: seconds, for pods that get ready from now on.

    Raises:
        InputError: it cannot be read.
    """
    annotations = canary["metadata"].get("annotations") or {}
    if TOTALS not in annotations or BEGAN not in annotations:
        return None
    decision, _, sentence = annotations.get(VERDICT, "").partition(": ")
    return Record(
        float(annotations[BEGAN]),
        Tally.from_json(annotations[TOTALS], warm_up),
        Decision(decision) if decision in list(Decision) else Decision.UNDECIDED,
        sentence,
    )


def remember(cluster: Cluster, canary: str, record: Record) -> None:
    """Write the record onto a canary."""
    cluster.annotate(
        DEPLOYMENT,
        canary,
        {
            BEGAN: json.dumps(record.began),
            TOTALS: record.tally.to_json(),
            VERDICT: f"{record.decision}: {record.sentence}",
        },
    )
