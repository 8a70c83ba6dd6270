"""Two drivers at the same time: one works, the other names it. Abandoned releases are cleaned up."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from e2e.cluster import Namespace, command
from e2e.polling import poll
from e2e.traffic import Traffic

WATCH = ("watch", "sampleapp", "--tolerance", "0.05", "--min-duration", "10m", "--no-traffic-after", "10m")


@pytest.fixture
def released(stable: Namespace, manifests: Path) -> Namespace:
    """Give a namespace with a release of sampleapp:20 in progress."""
    stable.canary("deploy", str(manifests), "--image", "sampleapp:20", "--percentage", "50")
    return stable


def lease(namespace: Namespace) -> dict[str, Any]:
    """Return the spec of the release's Lease, empty if there is none."""
    found = namespace.get("lease", "sampleapp-canary")
    return found["spec"] if found else {}


@contextmanager
def watching(namespace: Namespace) -> Iterator[subprocess.Popen[str]]:
    """Run a driver while the block lasts."""
    driver = namespace.start(*WATCH)
    try:
        poll("the driver works", lambda: lease(namespace).get("holderIdentity"))
        yield driver
    finally:
        driver.kill()
        driver.communicate(timeout=60)


def test_only_one_of_two_drivers_works_and_the_other_names_it(released: Namespace, manifests: Path) -> None:
    assert "holderIdentity" not in lease(released)
    with watching(released) as first:
        who = lease(released)["holderIdentity"]
        assert who.endswith(f", process {first.pid}")

        refused = released.canary("reject", "sampleapp", "--lock-timeout", "20s", code=2).err
        assert f"{who} has held the lock on sampleapp since " in refused
        assert "It renewed the lock just now, so it is at work" in refused
        assert "--break-lock" in refused
        assert f"{who} has been at work since " in released.canary("status", "sampleapp").out
        assert released.images("sampleapp-canary") == ["sampleapp:20"]

        broken = released.canary("reject", "sampleapp", "--break-lock").err
        assert f"breaking the lock on sampleapp, which {who} has held since " in broken
        _, told = first.communicate(timeout=120)
    assert first.returncode == 130, told
    assert "the lock on sampleapp" in told.splitlines()[-1]
    assert "this driver stops here" in told.splitlines()[-1]
    assert released.images("sampleapp-canary") is None
    assert released.list("leases") == []


def test_an_interrupted_driver_releases_the_lock(released: Namespace, manifests: Path) -> None:
    with watching(released) as first:
        first.send_signal(signal.SIGINT)
        _, told = first.communicate(timeout=120)
        assert first.returncode == 130, told
    assert "holderIdentity" not in lease(released)
    assert "lock" not in released.canary("reject", "sampleapp").err


def test_a_driver_killed_on_this_machine_blocks_no_other_driver(released: Namespace, manifests: Path) -> None:
    with watching(released) as first:
        first.kill()
        first.communicate(timeout=60)
    assert "is no longer running; it last renewed its lock" in released.canary("status", "sampleapp").out
    assert "which is no longer running" in released.canary("reject", "sampleapp").err
    assert released.images("sampleapp-canary") is None


def test_a_driver_waits_for_the_lock_of_one_killed_on_another_machine(released: Namespace, manifests: Path) -> None:
    with watching(released) as first:
        first.kill()
        first.communicate(timeout=60)
    elsewhere = "canary-lab/process=another-boot pid:[1] 1 token"
    released.kubectl("annotate", "--overwrite", "lease/sampleapp-canary", elsewhere)
    refused = released.canary("reject", "sampleapp", "--lock-timeout", "0s", code=2).err
    assert "or pass --break-lock to stop it and take the release over" in refused
    told = released.canary("reject", "sampleapp").err
    assert "waiting up to 65 s for the lock on sampleapp" in told
    assert "taking over the lock on sampleapp from" in told
    assert released.images("sampleapp-canary") is None


def test_the_lock_is_renewed_and_the_canary_does_not_expire_while_a_person_decides(
    namespace: Namespace, manifests: Path
) -> None:
    release = ("release", str(manifests), "--image", "sampleapp:10", "--warm-up", "0s", "--min-duration", "0s")
    ours, theirs = os.openpty()
    driver = subprocess.Popen(
        [command("canary"), release[0], "--namespace", namespace.name, *release[1:]],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=namespace.environment(),
        cwd=namespace.folder,
    )
    os.close(theirs)
    try:
        with Traffic(namespace):
            assert driver.stderr is not None
            told = b""
            while b"promote, reject or keep watching?" not in told:  # asked without an end of line
                read = os.read(driver.stderr.fileno(), 4096)
                assert read, told.decode()
                told += read
        before, expires = lease(namespace), expiry(namespace)
        poll("the lock is renewed", lambda: lease(namespace)["renewTime"] > before["renewTime"])
        poll("the expiry is put off", lambda: expiry(namespace) > expires)
        assert lease(namespace)["acquireTime"] == before["acquireTime"]
        os.write(ours, b"reject\n")
        driver.communicate(timeout=120)
        assert driver.returncode == 1
    finally:
        driver.kill()
        driver.communicate(timeout=60)
        os.close(ours)
    assert namespace.images("sampleapp-canary") is None


def expiry(namespace: Namespace) -> datetime:
    """Return when the canary expires."""
    found = namespace.get("deployment", "sampleapp-canary") or {}
    return datetime.fromisoformat(found["metadata"]["annotations"]["canary-lab/expires"])


def test_only_an_abandoned_canary_is_reaped(released: Namespace, manifests: Path) -> None:
    [kept] = released.canary("reap", "--output", "json").json()["reaped"]
    assert not kept["expired"]
    assert "expires in 30 min; canary watch postpones that" in released.canary("status", "sampleapp").out
    released.kubectl(
        "annotate", "--overwrite", "deployment/sampleapp-canary", "canary-lab/expires=2020-01-01T00:00:00Z"
    )
    assert "expired: canary reap rejects it" in released.canary("status", "sampleapp").out

    [planned] = released.canary("reap", "--dry-run", "--output", "json").json()["reaped"]
    assert planned["expired"]
    assert released.images("sampleapp-canary") == ["sampleapp:20"]
    [reaped] = released.canary("reap", "--output", "json").json()["reaped"]
    assert reaped["deleted"] == ["sampleapp-baseline", "sampleapp-canary"]
    assert released.images("sampleapp-canary") is None
    assert released.images("sampleapp") == ["sampleapp:10"]


def test_a_release_supersedes_the_one_in_progress(released: Namespace, manifests: Path) -> None:
    other = ("deploy", str(manifests), "--image", "sampleapp:5", "--percentage", "50")
    assert "--supersede" in released.canary(*other, code=2).err
    assert "superseded by a release of sampleapp:5" in released.canary(*other, "--supersede").err
    assert released.images("sampleapp-canary") == ["sampleapp:5"]
    assert released.images("sampleapp-baseline") == ["sampleapp:10"]
