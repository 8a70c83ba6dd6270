"""A canary that answers well but leaves most requests unanswered is not promoted, and the verdict says why."""

from __future__ import annotations

from pathlib import Path

import yaml

from e2e.cluster import Namespace
from e2e.drivers import started
from e2e.polling import poll
from e2e.traffic import Traffic

HANGING = """
import itertools, time, app

numbers, create_app = itertools.count(), app.create_app

def create(settings):
    created = create_app(settings)
    answer = created.wsgi_app

    def wsgi_app(environ, start_response):
        if environ["PATH_INFO"] == "/" and next(numbers) % 20:
            time.sleep(0.3)
            raise ConnectionAbortedError
        return answer(environ, start_response)

    created.wsgi_app = wsgi_app
    return created

app.create_app = create
app.main()
"""
"""Answers one of twenty requests, and hangs for longer than a client waits. Probes and scrapes are answered."""
PATIENCE = 0.2
WATCH = ("watch", "sampleapp", "--tolerance", "0.5", "--warm-up", "1s", "--interval", "200ms")
DOUBT = (
    "with as many pods: does it hang, or do clients keep only a few connections open? To promote nevertheless, add "
    "--sample-ratio off"
)


def hanging(manifests: Path) -> str:
    """Let the app of the manifests hang, and return their folder."""
    file = manifests / "deployment.yml"
    deployment = yaml.safe_load(file.read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    container["command"] = ["python", "-c", HANGING]
    file.write_text(yaml.safe_dump(deployment, sort_keys=False))
    return str(manifests)


def test_a_canary_that_hangs_is_not_promoted_unless_a_person_turns_the_check_off(
    stable: Namespace, manifests: Path
) -> None:
    stable.canary("deploy", hanging(manifests), "--image", "sampleapp:20", "--percentage", "100")

    def verdict() -> str:
        counts = stable.get("configmap", "sampleapp-canary-counts") or {"data": {}}
        return str(counts["data"].get("verdict", ""))

    with Traffic(stable, threads=6, rate=1000, patience=PATIENCE):
        with started(stable, *WATCH, "--min-duration", "10m", "--max-duration", "10m") as driver:
            poll("PROMOTE is withheld", lambda: "not promoted: the canary answered" in verdict(), seconds=120)
            driver.terminate()
            driver.wait(timeout=60)
        again = stable.canary(*WATCH, "--min-duration", "0s", "--max-duration", "1s", "--output", "json", code=4)
        promoted = stable.canary(*WATCH, "--min-duration", "0s", "--sample-ratio", "off", "--output", "json").json()

    assert verdict().startswith("PROMOTE: canary ")
    assert "; not promoted: the canary answered " in again.err
    assert DOUBT in again.err
    assert (promoted["decision"], "not promoted" in promoted["sentence"]) == ("PROMOTE", False)
