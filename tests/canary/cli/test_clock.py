"""An interruption is never lost, wherever it hits the program."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import os, signal
from canary.cli.clock import SystemClock, interrupt_on_signals

class Answer:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGNUM)
        for _ in range(1000):  # the handler runs in here
            pass

interrupt_on_signals()
SystemClock().sleep(0)
try:
    Answer()
    print("went on")
    SystemClock().sleep(60)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_an_interruption_that_hits_a_finalizer_is_raised_at_the_next_sleep() -> None:
    for number in ("SIGINT", "SIGTERM"):
        program = PROGRAM.replace("SIGNUM", number)
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False)
        assert done.stdout.split("\n") == ["went on", "interrupted", ""], done.stderr
