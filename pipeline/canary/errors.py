"""What can go wrong, and the exit code of each.

    CanaryError
    ├── InputError            2    what the caller gave, or asked for, is wrong
    │   └── LockedError            another driver works on the release
    ├── ClusterError          3    the cluster cannot be reached, or forbids what was asked
    │   ├── ForbiddenError         the account lacks a right; the message names it
    │   ├── UnreachableError       no request gets through to the API server
    │   └── NotAnsweringError      a pod or Service behind the API server's proxy does not answer
    ├── TimedOutError         4    something did not get ready, or no verdict came, in time
    ├── PromoteError          5    the cluster refused or undid a promote
    └── InterruptedReleaseError  130  a person stopped the release; variants are left
        └── LockLostError          another driver took the release over

A message says what was wrong, where (file, object, field) and what to do next.
"""

from __future__ import annotations


class CanaryError(Exception):
    """Base of all errors that a user is told of in one line, without a traceback."""

    exit_code = 1


class InputError(CanaryError):
    """Manifests, options or the state of the release do not allow what was asked for; nothing was changed."""

    exit_code = 2


class LockedError(InputError):
    """Another driver works on the release, or may; the message says who, since when, and what to do."""

    def __init__(self, message: str, holder: str = "") -> None:
        """Take the message, and of it the part that says who holds the lock."""
        super().__init__(message)
        self.holder = holder or message


class ClusterError(CanaryError):
    """The API server cannot be reached, does not know the caller, or forbids the request."""

    exit_code = 3


class ForbiddenError(ClusterError):
    """The account lacks a right; the API server's message names verb, resource and namespace."""

    def __init__(self, message: str, right: str = "") -> None:
        """Take the message, and the right as verb and resource, such as `patch deployments.apps`."""
        super().__init__(message)
        self.right = right


class UnreachableError(ClusterError):
    """The API server has not answered for as long as it is waited for, or no longer accepts our credentials."""


class NotAnsweringError(ClusterError):
    """What lies behind the API server's proxy (a pod, a Service) does not answer, or not with 200; ask again later."""


class TimedOutError(CanaryError):
    """Variants or a rollout did not get ready, or the verdict stayed undecided, within the time allowed."""

    exit_code = 4


class PromoteError(CanaryError):
    """The cluster refused a write of promote, or the rollout failed and was undone; the variants are kept."""

    exit_code = 5


class InterruptedReleaseError(CanaryError):
    """Ctrl-C or SIGTERM: the variants are left, and the message says how to resume or end the release."""

    exit_code = 130


class LockLostError(InterruptedReleaseError):
    """Another driver took the release over; this one writes nothing more."""
