"""What `canary doctor` finds, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
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
    outcome: Outcome
    text: str
    advice: str = ""
    workload: str = ""


def ok(subject: str, text: str, *, workload: str = "") -> Check:
    """Return a check that found nothing wrong."""
    return Check(subject, Outcome.OK, text, workload=workload)


def warning(subject: str, text: str, advice: str, *, workload: str = "") -> Check:
    """Return a check that found something to know."""
    return Check(subject, Outcome.WARNING, text, advice, workload)


def failed(subject: str, text: str, advice: str, *, workload: str = "") -> Check:
    """Return a check that found what no release can be made with."""
    return Check(subject, Outcome.FAILED, text, advice, workload)
