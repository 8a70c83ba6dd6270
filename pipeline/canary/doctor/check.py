"""What `canary doctor` finds, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CheckOutcome(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    """A release cannot be made so."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        subject: what, in a word or two.
        outcome: how it ended.
        text: what was found, in a sentence.
        advice: what to do, empty where there is nothing.
        workload: name of the stable Deployment that it is about, empty where it is about all.
    """

    subject: str
    outcome: CheckOutcome
    text: str
    advice: str = ""
    workload: str = ""


def ok(subject: str, text: str, *, workload: str = "") -> Check:
    """Return a check that found nothing wrong."""
    return Check(subject, CheckOutcome.OK, text, workload=workload)


def warning(subject: str, text: str, advice: str, *, workload: str = "") -> Check:
    """Return a check that found something to know."""
    return Check(subject, CheckOutcome.WARNING, text, advice, workload)


def failed(subject: str, text: str, advice: str, *, workload: str = "") -> Check:
    """Return a check that found what no release can be made with."""
    return Check(subject, CheckOutcome.FAILED, text, advice, workload)
