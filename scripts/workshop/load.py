"""The load of a lesson without a terminal of its own: it goes on after `make lesson` and `make solve`."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from scripts.workshop.cluster import Cluster, WorkshopError, path

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 60
"""Seconds until the first requests arrive."""


@dataclass(frozen=True)
class BackgroundLoad:
    """The load that lessons have started for one namespace.

    Attributes:
        folder: the repository's top folder, in whose `.cache/workshop` the load's output and process id are.
        cluster: with the namespace of the lessons.
        say: tells a person what is done.
    """

    folder: Path
    cluster: Cluster
    say: Callable[[str], object]

    def flows(self) -> bool:
        """Return whether requests arrive, whoever sends them."""
        return sum(self.cluster.measure().values()) > 0

    def start(self, command: str) -> None:
        """Run the command of a page that starts load, unless requests arrive already; raises WorkshopError."""
        self.stop()
        if self.flows():
            return
        self.say("starting load")
        log = self._file(".log")
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w") as output:
            process = subprocess.Popen(
                ["bash", "-c", self.here(command)],
                cwd=self.folder,
                env=os.environ | {"PATH": path()},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._file(".pid").write_text(str(process.pid))
        try:
            self._await_requests(process)
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # nobody has been told of it
            self.stop()
            raise
        self.say(
            f"requests arrive; the load runs in the background, for an hour at most. To stop it: {self.how_to_stop()}"
        )

    def here(self, command: str) -> str:
        """Return the command of a page for this namespace, whichever kubectl uses, and with the image $LOAD_IMAGE."""
        own = command.replace("kubectl ", f"kubectl --namespace {self.cluster.namespace} ")
        image = os.environ.get("LOAD_IMAGE")
        return re.sub(r"--image \S+", f"--image {image}", own) if image else own

    def how_to_stop(self) -> str:
        """Return the command that stops the load."""
        if self.cluster.place != "localcluster":
            return "kubectl delete pod load"
        return f"kill -- -$(cat {self._file('.pid').relative_to(self.folder)})"

    def stop(self) -> None:
        """Stop the load that a lesson has started."""
        file = self._file(".pid")
        if file.exists():
            group = int(file.read_text())
            with suppress(psutil.NoSuchProcess):
                words = " ".join(psutil.Process(group).cmdline())
                if "locust" in words:  # else it has ended by itself, and the number is another's now
                    os.killpg(group, signal.SIGKILL)  # SIGTERM would let it wait for answers
            file.unlink()
        if self.cluster.place != "localcluster" and self.cluster.exists():
            self.cluster.kubectl("delete", "pod", "load", "--ignore-not-found", "--grace-period=1")

    def _await_requests(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until the first requests have arrived; raises WorkshopError."""
        before, end = self.cluster.counted(), time.monotonic() + PATIENCE
        while self.cluster.counted() == before:
            if process.poll() or time.monotonic() > end:
                said = self._file(".log").read_text()[-2000:]
                raise WorkshopError(f"No requests arrive. The load says:\n{said}")
            time.sleep(0.5)

    def _file(self, ending: str) -> Path:
        return self.folder / ".cache/workshop" / f"load-{self.cluster.namespace}{ending}"
