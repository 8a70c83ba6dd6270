"""A person in the browser decides: in the console of a release itself, or in one that is attached to it."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.cluster import Namespace
from e2e.console import Page
from e2e.documented_commands import typed
from e2e.drivers import started, told
from e2e.traffic import Traffic

QUICK = {"percentage": 50, "warm-up": "1s", "min-duration": "2s", "interval": "500ms"}
RELEASE = (
    "--image", "sampleapp:20", "--percentage", "50", "--warm-up", "1s", "--min-duration", "2s", "--interval", "500ms",
    "--tolerance", "0.05",
)  # fmt: skip


@pytest.fixture
def traffic(stable: Namespace) -> Iterator[Namespace]:
    """Give a namespace with load on its stable version."""
    with Traffic(stable):
        yield stable


def test_a_release_is_promoted_in_its_own_console(traffic: Namespace, manifests: Path, tmp_path: Path) -> None:
    assert manifests == tmp_path / "manifests"
    (tmp_path / "canary.yml").write_text(json.dumps(QUICK))
    as_json = {"--gate": "--output json --gate"}
    with typed(traffic, "console.md", "--gate console", folder=tmp_path, change=as_json) as release:
        page = Page.in_output(told(release, "Watch this release, and decide on it, at "))
        assert "sampleapp" in page.text()
        shown = page.until("a driver waits for a decision")
        assert re.search(r"sampleapp:20 (is|looks) .* sampleapp:10(, within the tolerance)?</h1>", shown)
        assert "stable pods with sampleapp:20" in shown
        assert "Recorded: promote sampleapp." in page.press("promote")
        page.until("sampleapp:20 was promoted")
        out, err = release.communicate(timeout=60)
    assert release.returncode == 0, err
    assert json.loads(out)["promoted"]
    assert f"decided to promote, by {json.loads(out)['by']}" in err
    assert traffic.images("sampleapp") == ["sampleapp:20"]
    assert traffic.images("sampleapp-canary") is None


def test_a_console_beside_a_release_rejects_it_and_a_dead_one_ends_nothing(traffic: Namespace, manifests: Path) -> None:
    with started(traffic, "release", str(manifests), *RELEASE, "--gate", "manual") as release:
        told(release, "To promote, run elsewhere: canary promote ")
        with typed(traffic, "console.md", "canary console", folder=traffic.folder) as dead:
            Page.in_output(told(dead, "The console is at ")).until("a driver waits for a decision")
        with typed(traffic, "console.md", "--reports canary-report", folder=traffic.folder) as console:
            page = Page.in_output(told(console, "The console is at "))
            page.until("a driver waits for a decision")
            assert "Recorded: reject sampleapp." in page.press("reject", reason="the colour is wrong")
            _, err = release.communicate(timeout=60)
            page.until("The canary was rejected; stable runs sampleapp:10")
            console.send_signal(signal.SIGINT)
            assert "releases go on without it" in console.communicate(timeout=60)[1]
            assert console.returncode == 0
    assert release.returncode == 1, err
    assert ": the colour is wrong (verdict: " in err
    assert traffic.images("sampleapp") == ["sampleapp:10"]
    assert traffic.images("sampleapp-canary") is None


def test_a_driver_that_is_killed_before_it_hears_of_keep_watching_leaves_a_release_that_goes_on(
    traffic: Namespace, manifests: Path
) -> None:
    with started(traffic, "console") as console:
        page = Page.in_output(told(console, "The console is at "))
        with started(traffic, "release", str(manifests), *RELEASE, "--gate", "manual") as release:
            page.until("a driver waits for a decision")
            assert "Recorded: keep watching sampleapp." in page.press("watch")
            told(release, "decided to keep watching, by ")
            told(release, "To promote, run elsewhere: canary promote ")  # it asks again
            page.until("a driver waits for a decision")
            os.kill(release.pid, signal.SIGSTOP)
            assert "Recorded: keep watching sampleapp." in page.press("watch")
        again = traffic.canary("release", str(manifests), *RELEASE, "--gate", "auto")
    assert "decided to keep watching" not in again.err
    assert traffic.images("sampleapp") == ["sampleapp:20"]


def test_a_release_that_nobody_waits_for_is_rejected_by_the_console_itself(stable: Namespace, manifests: Path) -> None:
    stable.canary("deploy", str(manifests), "--image", "sampleapp:20", "--percentage", "50")
    with started(stable, "console") as console:
        page = Page.in_output(told(console, "The console is at "))
        shown = page.until("nobody works on it")
        assert "canary promote" in shown
        assert "Rejected sampleapp: canary and baseline are deleted" in page.press("reject")
    assert stable.images("sampleapp-canary") is None
    (evidence,) = (stable.folder / "state" / "canary" / stable.name).iterdir()
    assert "reason     by " in (evidence / "summary.txt").read_text()
