"""The result of one check of `canary doctor`, as a value."""

from dataclasses import dataclass
from enum import StrEnum


class CheckOutcome(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    """No release is possible."""


@dataclass(frozen=True)
class Check:
    """One check and its result.

    Attributes:
        subject: what was checked, in a word or two.
        outcome: how it ended.
        text: what was found, in a sentence.
        advice: what to do, empty where there is nothing.
        workload: name of the stable Deployment that was checked, empty where the check is about all.
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
    """Return a check that found something that the user should know."""
    return Check(subject, CheckOutcome.WARNING, text, advice, workload)


def failed(subject: str, text: str, advice: str, *, workload: str = "") -> Check:
    """Return a check that found why no release is possible."""
    return Check(subject, CheckOutcome.FAILED, text, advice, workload)
