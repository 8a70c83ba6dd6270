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
    from collections.abc import Mapping

    from canary.collaborators import Cluster, Object
    from canary.steps import Step

TOTALS = f"{OWN_PREFIX}totals"
BEGAN = f"{OWN_PREFIX}watched-since"
STEP_BEGAN = f"{OWN_PREFIX}step-watched-since"
VERDICT = f"{OWN_PREFIX}verdict"
UNPROVEN = f"{OWN_PREFIX}unproven"
"""Of a stable that was promoted by `--unproven`: when, and what spoke against it. The next promote drops it."""


@dataclass(frozen=True)
class Record:
    """What was found out so far.

    Attributes:
        began: Unix seconds when the first driver began to watch.
        tally: everything counted.
        decision: the last verdict's.
        sentence: the last verdict for a person, empty before the first.
        step_began: Unix seconds when somebody began to watch the step at hand, None when nobody has yet.
    """

    began: float
    tally: Tally
    decision: Decision = Decision.UNDECIDED
    sentence: str = ""
    step_began: float | None = None


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
        float(annotations[STEP_BEGAN]) if STEP_BEGAN in annotations else None,
    )


def remember(cluster: Cluster, canary: str, record: Record, marks: Mapping[str, str]) -> None:
    """Write the record onto a canary, and other annotations with it."""
    cluster.annotate(
        DEPLOYMENT,
        canary,
        {
            BEGAN: json.dumps(record.began),
            STEP_BEGAN: None if record.step_began is None else json.dumps(record.step_began),
            TOTALS: record.tally.to_json(),
            VERDICT: f"{record.decision}: {record.sentence}",
            **marks,
        },
    )


def take_step(cluster: Cluster, canary: str, step: Step) -> None:
    """Write onto a canary that it is at a step, which nobody has watched yet; what was counted before stays."""
    cluster.annotate(DEPLOYMENT, canary, {**step.annotations, STEP_BEGAN: None})


def unproven_since(stable: Object | None) -> str:
    """Return when a stable was promoted by `--unproven`, and what spoke against it; empty if it was not."""
    found: str = ((stable or {"metadata": {}})["metadata"].get("annotations") or {}).get(UNPROVEN, "")
    return found
