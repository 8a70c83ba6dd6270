"""Settings of all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A property holds however busy the machine is: time is measured by benchmarks, not by tests.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
