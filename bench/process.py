"""What a process has used so far, read from Linux's /proc."""

from __future__ import annotations

import os
import re
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")  # per second; the unit of /proc/PID/stat


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process, in user and kernel mode (proc(5): utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_megabytes(pid: int) -> float:
    """Return the resident memory of a process (proc(5): VmRSS)."""
    return _status(pid, "VmRSS") / 1024


def peak_megabytes(pid: int) -> float:
    """Return the highest resident memory that a process has had (proc(5): VmHWM)."""
    return _status(pid, "VmHWM") / 1024


def _status(pid: int, field: str) -> int:
    found = re.search(rf"{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1])
