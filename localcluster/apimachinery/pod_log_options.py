"""PodLogOptions: which part of a container's log a client wants."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PodLogOptions:
    """The options of `kubectl logs`.

    Attributes:
        follow: go on as the container writes.
        tail_lines: how many of the last lines; None for all.
        since_seconds: only lines that are not older, in seconds; None for all.
        previous: the log of the process before the last restart.
        timestamps: put the time in front of each line.
    """

    follow: bool = False
    tail_lines: int | None = None
    since_seconds: int | None = None
    previous: bool = False
    timestamps: bool = False
