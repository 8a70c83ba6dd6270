"""Runs `canary` as a process of its own that is forked from one which has imported it already.

Starting Python and importing the packages takes half a second of CPU, and the suite runs hundreds of commands.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from canary.cli.main import main

TIMEOUT = 170.0
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["canary.cli.main", "canary.cli.render", "kubernetes.client", "kubernetes.config"])


def run_canary(
    arguments: tuple[str, ...], folder: Path, environment: Mapping[str, str], stdin: str | None
) -> tuple[int, str, str]:
    """Run a command in a folder with exactly this environment; return its exit code, stdout and stderr."""
    with tempfile.TemporaryDirectory() as name:
        files = tuple(Path(name, stream) for stream in ("stdin", "stdout", "stderr"))
        files[0].write_text(stdin or "")
        process = _forks.Process(target=_become_canary, args=(arguments, folder, dict(environment), files))
        process.start()
        try:
            process.join(TIMEOUT)
            assert process.exitcode is not None, f"canary {' '.join(arguments)}: not within {TIMEOUT:g} s"
            return process.exitcode, files[1].read_text(), files[2].read_text()
        finally:
            process.kill()
            process.join()
            process.close()


def _become_canary(
    arguments: tuple[str, ...], folder: Path, environment: dict[str, str], files: tuple[Path, ...]
) -> None:
    """Be the command, in a new process."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, file in enumerate(files):
        opened = os.open(file, os.O_RDWR | os.O_CREAT)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
    sys.argv = ["canary", *arguments]
    main()
