"""Runs the shell steps of a pipeline as an agent does, for the runners of Azure Pipelines and GitHub Actions.

`run_script(script, environment, folder)` writes the script to a file, runs it with bash in its own process group, and
returns its exit code and its output, stdout and stderr together, as an agent's log has them. With `cancel_at`, it
interrupts bash as soon as that text is in the output, as an agent does when somebody cancels the run: bash alone gets
the signals of `AZURE_CANCEL` or `GITHUB_CANCEL`. `Agent.clean_up()` ends what scripts have left in the background, as
an agent does after a job.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

AZURE_BASH = ("bash", "--noprofile", "--norc")
GITHUB_BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail")
Signals = Sequence[tuple[signal.Signals, float]]
"""What a script gets when its run is cancelled: each signal, and seconds until the next."""

AZURE_CANCEL: Signals = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))
GITHUB_CANCEL: Signals = ((signal.SIGINT, 7.5), (signal.SIGTERM, 2.5), (signal.SIGKILL, 5.0))


@dataclass(frozen=True)
class Finished:
    """How a script ended.

    Attributes:
        code: exit code; negative for a signal.
        output: stdout and stderr, in the order in which they were written.
        cancelled: whether `cancel_at` was in the output.
    """

    code: int
    output: str
    cancelled: bool = False


@dataclass
class Agent:
    """Runs scripts, and ends what they leave behind.

    Attributes:
        folder: for the script files.
        shell: the command line in front of the file's name.
        cancel: the signals of a cancelled run.
        timeout: seconds; a script that takes longer fails the test.
    """

    folder: Path
    shell: Sequence[str] = AZURE_BASH
    cancel: Signals = AZURE_CANCEL
    timeout: float = 150
    _groups: list[int] = field(default_factory=list)

    def run_script(
        self, script: str, environment: Mapping[str, str], folder: Path, cancel_at: str | None = None
    ) -> Finished:
        """Run a script in a folder, with exactly this environment."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"step-{len(self._groups)}.sh"
        file.write_text(script)
        log = file.with_suffix(".log")
        with log.open("w") as out:  # a file, because a background process could keep a pipe open
            process = subprocess.Popen(
                [*self.shell, str(file)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                cwd=folder,
                start_new_session=True,
            )
        self._groups.append(process.pid)
        cancelled, end = False, time.monotonic() + self.timeout
        while process.poll() is None:
            if cancel_at and not cancelled and cancel_at in log.read_text():
                cancelled = True
                self._interrupt(process)
            if time.monotonic() > end:
                self.clean_up()
                raise AssertionError(f"a step did not end within {self.timeout:g} s; its output:\n{log.read_text()}")
            time.sleep(0.05)
        return Finished(process.returncode, log.read_text(), cancelled)

    def clean_up(self) -> None:
        """End all processes that the scripts have left."""
        for group in self._groups:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)

    def _interrupt(self, process: subprocess.Popen[bytes]) -> None:
        """End a script as an agent does on cancel."""
        for number, seconds in self.cancel:
            process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
                return
