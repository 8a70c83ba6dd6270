"""What can go wrong, and the exit code of each.

    CanaryError
    ├── InputError            2    manifests, options or the state of the release do not allow the action
    │   └── LockedError            another driver is working on the release
    ├── ClusterError          3    the cluster is unreachable, or forbids the action
    │   ├── ConflictError          others keep writing the same object
    │   ├── ForbiddenError         the account lacks a permission; the message names it
    │   ├── UnreachableError       no request gets through to the API server
    │   │   └── CredentialsError   it does not accept the credentials
    │   └── NotAnsweringError      a pod or Service behind the API server's proxy does not answer
    ├── TimedOutError         4    something was not ready in time, or no verdict came in time
    ├── PromoteError          5    the cluster refused or undid a promote
    └── InterruptedReleaseError  130  a person stopped the release; canary and baseline are left
        └── LockLostError          another driver took the release over

A message says what is wrong, where (file, object, field) and what to do next.
"""

from enum import IntEnum
from typing import Self


class ExitCode(IntEnum):
    """The exit codes of `canary`, each with its meaning for the help text.

    Attributes:
        meaning: when the command exits with this code.
    """

    meaning: str

    DONE = 0, "done; a release was promoted"
    REJECTED = 1, "rejected"
    BAD_INPUT = 2, "wrong usage or bad input"
    CLUSTER = 3, "the cluster is unreachable, or forbids the action"
    TIMED_OUT = 4, "timed out, or the verdict is undecided"
    NOT_PROMOTED = 5, "the cluster refused or undid a promote"
    BUG = 70, "a bug in canary; the message names a file to attach to your report"
    INTERRUPTED = 130, "interrupted; canary and baseline are still running"
    UNREAD = 141, "the reader of the result has gone (a closed pipe)"

    def __new__(cls, code: int, meaning: str) -> Self:
        """Return a code with its meaning."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member


class CanaryError(Exception):
    """Base of all errors that a user sees as one line, without a traceback."""

    exit_code = ExitCode.REJECTED


class InputError(CanaryError):
    """Manifests, options or the state of the release do not allow the action. Nothing was changed."""

    exit_code = ExitCode.BAD_INPUT


class LockedError(InputError):
    """Another driver is working on the release, or may be. The message says who, since when, and what to do."""

    def __init__(self, message: str, holder: str = "") -> None:
        """Take the message, and the part of it that says who holds the lock."""
        super().__init__(message)
        self.holder = holder or message


class ClusterError(CanaryError):
    """The API server is unreachable, does not accept the credentials, or forbids the request."""

    exit_code = ExitCode.CLUSTER


class ConflictError(ClusterError):
    """Others keep writing the same object, so that a write that depends on what was read cannot be made."""


class ForbiddenError(ClusterError):
    """The account lacks a permission. The API server's message names verb, resource and namespace."""

    def __init__(self, message: str, right: str = "") -> None:
        """Take the message, and the permission as verb and resource, such as `patch deployments.apps`."""
        super().__init__(message)
        self.right = right


class UnreachableError(ClusterError):
    """The API server did not answer within the time allowed, or no longer accepts the credentials."""


class CredentialsError(UnreachableError):
    """The API server does not accept the credentials (any longer)."""


class NotAnsweringError(ClusterError):
    """A pod or Service behind the API server's proxy does not answer, or not with 200. A later request may succeed."""


class TimedOutError(CanaryError):
    """Variants or a rollout were not ready, or the verdict was still undecided, when the time was up."""

    exit_code = ExitCode.TIMED_OUT


class PromoteError(CanaryError):
    """The cluster refused a write of promote, or the rollout failed and was undone. The variants are kept."""

    exit_code = ExitCode.NOT_PROMOTED


class InterruptedReleaseError(CanaryError):
    """Ctrl-C or SIGTERM. The variants are left, and the message says how to continue or end the release."""

    exit_code = ExitCode.INTERRUPTED


class LockLostError(InterruptedReleaseError):
    """Another driver took the release over. This one writes nothing more."""
