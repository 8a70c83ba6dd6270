"""Settings of all tests."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A shell's background jobs, which may run the tests, start with Ctrl-C ignored, and what they start inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A property holds however busy the machine is: time is measured by benchmarks, not by tests.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The top folder of this repository."""
    return Path(__file__).parents[1]
