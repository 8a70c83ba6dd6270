"""The driver in a pod: a Job that runs a release, and the CronJob that rejects abandoned canaries."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.cluster import ROOT, Namespace
from e2e.documented_commands import type_lines
from e2e.polling import poll
from e2e.prometheus import install
from e2e.traffic import Traffic

pytestmark = [
    pytest.mark.skipif("E2E_KUBECONFIG" not in os.environ, reason="localcluster has neither Jobs nor CronJobs"),
    pytest.mark.timeout(400),
]

QUICK = ("--percentage=100", "--warm-up=1s", "--min-duration=3s", "--interval=1s")
PROBE = """
import errno, os
print("uid", os.getuid(), "gid", os.getgid())
for folder in ("/opt/canary", "/tmp", "/release"):
    try:
        open(folder + "/file", "w")
        print(folder, "writable")
    except OSError as error:
        print(folder, errno.errorcode[error.errno])
print([line.split()[1] for line in open("/proc/self/status") if line.startswith(("CapEff", "NoNewPrivs"))])
"""


@pytest.fixture(scope="module")
def prometheus(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Install the Prometheus that pipeline/job.yml uses. It stays."""
    install(kubeconfig, tmp_path_factory.mktemp("monitoring"))


@pytest.fixture
def ready(namespace: Namespace, manifests: Path) -> Namespace:
    """Give a namespace with the accounts and the manifests that a Job reads."""
    namespace.kubectl("apply", "-f", str(ROOT / "pipeline/rbac.yml"))
    assert manifests == namespace.folder / "manifests"
    type_lines(namespace, "rights.md", "sampleapp-manifests", folder=namespace.folder)
    return namespace


def start(namespace: Namespace, image: str, *, prometheus: bool) -> str:
    """Create the Job of pipeline/job.yml for an image, with short times, and return its name."""
    job = yaml.safe_load((ROOT / "pipeline/job.yml").read_text())
    (container,) = job["spec"]["template"]["spec"]["containers"]
    arguments = [one.replace("sampleapp:20", image) for one in container["args"]]
    container["args"] = [one for one in arguments if prometheus or not one.startswith("--prometheus")] + [*QUICK]
    own = namespace.folder / "job.yml"
    own.write_text(yaml.safe_dump(job))
    created = type_lines(namespace, "rights.md", "-f pipeline/job.yml", change={"pipeline/job.yml": str(own)})
    return created.split()[0]


def pods_of(namespace: Namespace, job: str) -> list[dict[str, Any]]:
    return namespace.list("pods", f"job-name={job.partition('/')[2]}")


def running(namespace: Namespace, job: str) -> str:
    """Return the name of a Job's pod as soon as it runs."""

    def look() -> str | None:
        names = [
            p["metadata"]["name"]
            for p in pods_of(namespace, job)
            if p["status"].get("phase") == "Running" and "deletionTimestamp" not in p["metadata"]
        ]
        return names[0] if names else None

    return poll("the driver's pod runs", look)


def ending(namespace: Namespace, job: str) -> tuple[str, str]:
    """Return the result of a Job when it has ended: `Complete` or `Failed`, and why."""

    def look() -> tuple[str, str] | None:
        found = namespace.get("job", job.partition("/")[2])
        conditions = (found or {"status": {}})["status"].get("conditions") or []
        ended = [c for c in conditions if c["type"] in ("Complete", "Failed") and c["status"] == "True"]
        return (ended[0]["type"], ended[0].get("reason", "")) if ended else None

    return poll(f"{job} has ended", look, 200)


@pytest.mark.usefixtures("prometheus")
def test_a_job_finishes_its_release_although_its_pod_is_deleted(ready: Namespace, manifests: Path) -> None:
    ready.canary("apply", str(manifests), "--image", "sampleapp:10")
    with Traffic(ready) as traffic:
        job = start(ready, "sampleapp:20", prometheus=True)
        pod = running(ready, job)
        seen = ready.kubectl("exec", pod, "--", "python3", "-c", PROBE).splitlines()
        poll("there is a canary", lambda: ready.get("deployment", "sampleapp-canary"))
        ready.kubectl("delete", "pod", pod, "--wait=false")
        second = poll("another takes over", lambda: running(ready, job))
        assert ending(ready, job)[0] == "Complete", ready.kubectl("logs", second)

    assert seen == [
        "uid 65532 gid 65532",
        "/opt/canary EROFS",
        "/tmp EROFS",
        "/release writable",
        "['0000000000000000', '1']",
    ]
    assert "unchanged Deployment sampleapp-canary" in ready.kubectl("logs", second)  # so it went on
    assert ready.images("sampleapp") == ["sampleapp:20"]
    assert ready.images("sampleapp-canary") is None
    assert ready.images("sampleapp-baseline") is None
    assert set(traffic.answers) <= {200, 500}
    assert not traffic.errors


def test_a_job_with_a_rejected_release_is_not_retried(ready: Namespace, manifests: Path) -> None:
    ready.canary("apply", str(manifests), "--image", "sampleapp:20")
    type_lines(ready, "rights.md", "sampleapp-read-pods")
    stable = ready.get("deployment", "sampleapp")
    with Traffic(ready):
        job = start(ready, "sampleapp:5", prometheus=False)
        assert ending(ready, job) == ("Failed", "PodFailurePolicy")

    (pod,) = pods_of(ready, job)
    (container,) = pod["status"]["containerStatuses"]
    assert container["state"]["terminated"]["exitCode"] == 1
    assert "REJECT" in type_lines(ready, "rights.md", "-l app=canary-release --follow")
    assert pod["metadata"]["labels"]["app"] == "canary-release"
    after = ready.get("deployment", "sampleapp")
    assert stable is not None
    assert after is not None
    assert after["spec"] == stable["spec"]
    assert ready.images("sampleapp-canary") is None


def test_the_image_releases_from_a_job_of_a_pipeline(namespace: Namespace, manifests: Path, tmp_path: Path) -> None:
    namespace.canary("apply", str(manifests), "--image", "sampleapp:10")
    change = {
        "--rm": "--rm --network host",  # kind's API server listens on the host's loopback
        "registry.example/canary:1": "canary-lab/canary:0.1.0",
        "--gate auto": f"--gate auto --tolerance=0.05 {' '.join(QUICK)}",
    }
    with Traffic(namespace):
        type_lines(namespace, "install.md", "docker run", folder=manifests.parent, change=change)
    assert namespace.images("sampleapp") == ["sampleapp:20"]
    report = manifests.parent / "canary-report" / "report.json"
    assert json.loads(report.read_text())["outcome"] == "promoted"
    assert report.stat().st_uid == os.getuid()


def test_the_reaper_rejects_only_expired_canaries(ready: Namespace, manifests: Path) -> None:
    expired, alive = ("expired", "sampleapp"), ("alive", "other")
    sample = yaml.safe_load((manifests / "deployment.yml").read_text())
    for folder, name in (expired, alive):
        own = copy.deepcopy(sample)
        own["metadata"]["name"] = name
        own["spec"]["replicas"] = 1
        own["spec"]["selector"]["matchLabels"]["app"] = own["spec"]["template"]["metadata"]["labels"]["app"] = name
        (ready.folder / f"{folder}.yml").write_text(yaml.safe_dump(own))
    for manifest in ("expired.yml", "alive.yml"):
        ready.canary("apply", manifest, "--image", "sampleapp:10")
    ready.canary("deploy", "alive.yml", "--image", "sampleapp:20")
    ready.canary("deploy", "expired.yml", "--image", "sampleapp:20", "--expire-after", "1s")
    stable = ready.get("deployment", "sampleapp")

    type_lines(ready, "rights.md", "apply -n $NAMESPACE -f pipeline/reaper.yml", "cronjob/canary-reaper")
    assert ending(ready, "job/look-now")[0] == "Complete", ready.kubectl("logs", "job/look-now")

    assert ready.images("sampleapp-canary") is None
    assert ready.images("sampleapp-baseline") is None
    assert ready.get("deployment", "sampleapp") == stable
    assert ready.images("other-canary") == ["sampleapp:20"]
    assert ready.images("other-baseline") == ["sampleapp:10"]
    assert ready.get("lease", "sampleapp-canary") is None
    assert "other" in ready.kubectl("logs", "job/look-now")

    (ready.folder / "url.txt").write_text("https://chat.example/hook")
    (ready.folder / "token.txt").write_text("s3cret")
    type_lines(ready, "notifications.md", "canary-notifications", folder=ready.folder)
    spec = (ready.get("cronjob", "canary-reaper") or {})["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    variables = {one["name"]: one["valueFrom"]["secretKeyRef"]["name"] for one in spec["containers"][0]["env"]}
    assert (
        variables.items()
        >= {
            "CANARY_NOTIFY_URL": "canary-notifications",
            "CANARY_GRAFANA_TOKEN": "canary-notifications",
        }.items()
    )
    type_lines(ready, "rights.md", "delete -n $NAMESPACE -f pipeline/reaper.yml")
    assert ready.get("cronjob", "canary-reaper") is None
