"""Complete releases, decided by real requests."""

from __future__ import annotations

import json
import re
import shutil
import signal
from pathlib import Path
from typing import Any

from e2e.cluster import Namespace
from e2e.documented_commands import type_lines
from e2e.polling import poll
from e2e.traffic import Traffic
from tests.browser import browser
from tests.canary.report.opened import opened, violations

RELEASE = (
    "--percentage", "100", "--tolerance", "0.05", "--warm-up", "1s", "--min-duration", "3s", "--interval", "500ms",
    "--gate", "auto",
)  # fmt: skip


def identities(pods: list[dict[str, Any]]) -> set[tuple[str, int]]:
    return {(p["metadata"]["uid"], sum(c["restartCount"] for c in p["status"]["containerStatuses"])) for p in pods}


def test_a_better_canary_is_promoted(stable: Namespace, manifests: Path) -> None:
    with Traffic(stable) as traffic:
        result = stable.canary("release", str(manifests), "--image", "sampleapp:20", *RELEASE, "--output", "json")

    verdict = result.json()["verdict"]
    assert verdict["decision"] == "PROMOTE"
    success = next(c for c in verdict["comparisons"] if c["metric"] == "success")
    assert min(success["requests"].values()) >= 50
    assert sum(success["requests"].values()) <= traffic.answers.total()
    assert stable.images("sampleapp") == ["sampleapp:20"]
    assert stable.images("sampleapp-canary") is None
    assert stable.images("sampleapp-baseline") is None
    assert set(traffic.answers) <= {200, 500}
    assert not traffic.errors


def test_a_worse_canary_is_rejected_and_stable_is_not_touched(namespace: Namespace, manifests: Path) -> None:
    namespace.canary("apply", str(manifests), "--image", "sampleapp:20")
    before = namespace.get("deployment", "sampleapp")
    pods = identities(namespace.pods_of("sampleapp"))

    with Traffic(namespace) as traffic:
        result = namespace.canary("release", str(manifests), "--image", "sampleapp:5", *RELEASE, code=1)

    after = namespace.get("deployment", "sampleapp")
    assert "REJECT" in result.err
    assert before is not None
    assert after is not None
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert after["spec"] == before["spec"]
    assert identities(namespace.pods_of("sampleapp")) == pods
    assert namespace.images("sampleapp-canary") is None
    assert namespace.images("sampleapp-baseline") is None
    assert set(traffic.answers) <= {200, 500}
    assert not traffic.errors


def test_the_reports_of_two_releases_are_listed_and_compared(
    stable: Namespace, manifests: Path, tmp_path: Path
) -> None:
    assert manifests == tmp_path / "manifests"
    quick = {"percentage": 100, "warm-up": "1s", "min-duration": "3s", "interval": "500ms"}
    (tmp_path / "canary.yml").write_text(json.dumps(quick))
    with Traffic(stable):
        type_lines(stable, "reports.md", "--report canary-report", folder=tmp_path)
    type_lines(stable, "reports.md", "canary report", folder=tmp_path)
    shutil.copytree(tmp_path / "canary-report", tmp_path / "artifacts/run-1")
    stable.canary("deploy", "manifests/", "--image", "sampleapp:5", "--percentage", "50")
    stable.canary("reject", "sampleapp", "--report", "canary-report")
    shutil.copytree(tmp_path / "canary-report", tmp_path / "artifacts/run-2")

    type_lines(stable, "reports.md", "artifacts/ --output json", folder=tmp_path)
    shown = type_lines(stable, "reports.md", "canary report --compare", "canary report --open", folder=tmp_path)
    assert len(re.findall(r"^outcome +(?:rejected +promoted|promoted +rejected)$", shown, re.MULTILINE)) == 2
    assert "canary-report/report.html" in shown


def test_the_page_of_a_rejected_release_opens_from_the_disk_and_shows_what_the_canary_left(
    namespace: Namespace, manifests: Path, tmp_path: Path
) -> None:
    with browser() as chromium:
        namespace.canary("apply", str(manifests), "--image", "sampleapp:20")
        with Traffic(namespace):
            report = ("--report", str(tmp_path / "report"))
            namespace.canary("release", str(manifests), "--image", "sampleapp:5", *RELEASE, *report, code=1)
        with opened(chromium, tmp_path / "report/report.html") as page:
            assert page.locator("h1").inner_text() == "Rejected the canary of sampleapp"
            assert page.get_by_role("img").count() >= 4
            assert "rejected by auto" in page.locator("svg.funnel").first.inner_html()
            assert page.get_by_role("heading", name=re.compile(r"sampleapp-canary-\S+\.sampleapp\.log")).count() >= 1
            assert page.get_by_text("canary release MANIFESTS --image IMAGE").is_visible()
            assert violations(page) == []


def test_a_first_release_has_no_baseline_and_says_why(namespace: Namespace, manifests: Path) -> None:
    with Traffic(namespace):
        result = namespace.canary("release", str(manifests), "--image", "sampleapp:10", *RELEASE)

    assert "no stable" in result.err.lower()
    assert namespace.images("sampleapp") == ["sampleapp:10"]
    assert namespace.images("sampleapp-canary") is None


def test_variants_differ_from_stable_only_as_the_strategy_requires(stable: Namespace, manifests: Path) -> None:
    stable.canary("deploy", str(manifests), "--image", "sampleapp:20", "--percentage", "50")

    canary, baseline = stable.get("deployment", "sampleapp-canary"), stable.get("deployment", "sampleapp-baseline")
    for variant, name, image in ((canary, "canary", "sampleapp:20"), (baseline, "baseline", "sampleapp:10")):
        assert variant is not None
        assert variant["spec"]["replicas"] == 1
        assert variant["metadata"]["labels"]["azure-pipelines/version"] == name
        assert variant["metadata"]["annotations"]["azure-pipelines/version"] == name
        assert variant["spec"]["selector"]["matchLabels"]["azure-pipelines/version"] == name
        assert variant["spec"]["template"]["metadata"]["labels"]["azure-pipelines/version"] == name
        assert [c["image"] for c in variant["spec"]["template"]["spec"]["containers"]] == [image]
    assert stable.images("sampleapp") == ["sampleapp:10"]

    def endpoints() -> int:
        slices = stable.list("endpointslices", "kubernetes.io/service-name=sampleapp")
        return sum(1 for s in slices for e in s["endpoints"] or [] if e["conditions"]["ready"])

    assert poll("the Service reaches all four pods", lambda: endpoints() == 4)


def test_every_command_can_be_run_twice(stable: Namespace, manifests: Path) -> None:
    release = (str(manifests), "--image", "sampleapp:20")
    stable.canary("deploy", *release, "--percentage", "50")
    canary = stable.get("deployment", "sampleapp-canary")
    stable.canary("deploy", *release, "--percentage", "50")
    again = stable.get("deployment", "sampleapp-canary")
    assert canary is not None
    assert again is not None
    assert again["metadata"]["uid"] == canary["metadata"]["uid"]

    stable.canary("promote", *release)
    generation = (stable.get("deployment", "sampleapp") or {})["metadata"]["generation"]
    stable.canary("promote", *release)
    assert stable.images("sampleapp") == ["sampleapp:20"]
    assert (stable.get("deployment", "sampleapp") or {})["metadata"]["generation"] == generation

    stable.canary("deploy", str(manifests), "--image", "sampleapp:5", "--percentage", "50")
    stable.canary("reject", str(manifests))
    result = stable.canary("reject", str(manifests))
    assert "nothing" in result.err
    assert stable.images("sampleapp") == ["sampleapp:20"]

    stable.canary("apply", *release)
    assert "unchanged" in stable.canary("apply", *release).err


def test_an_interrupted_release_keeps_its_variants_and_continues_with_its_evidence(
    stable: Namespace, manifests: Path, tmp_path: Path
) -> None:
    report = ("--report", str(tmp_path / "report"))
    arguments = ("release", str(manifests), "--image", "sampleapp:20", *RELEASE[:-2], "--gate", "auto", *report)
    with Traffic(stable):
        driver = stable.start(*arguments, "--min-duration", "10m")
        try:
            poll("the driver has begun to count", lambda: counted(stable) > 100)
        finally:
            driver.send_signal(signal.SIGINT)
        _, err = driver.communicate(timeout=30)
        assert driver.returncode == 130, err
        assert "canary reject" in err
        assert json.loads((tmp_path / "report/report.json").read_text())["outcome"] == "interrupted"
        assert stable.images("sampleapp-canary") == ["sampleapp:20"]
        seen = counted(stable)

        result = stable.canary(*arguments, "--output", "json")

    success = next(c for c in result.json()["verdict"]["comparisons"] if c["metric"] == "success")
    assert success["requests"]["canary"] >= seen
    reported = json.loads((tmp_path / "report/report.json").read_text())
    assert (reported["outcome"], reported["verdict"]) == ("promoted", result.json()["verdict"])
    counts = next(c for c in reported["counts"] if c["metric"] == "success")
    assert counts["looks"][0][0] < counts["saved_until"] < counts["looks"][-1][0]
    assert all(one["image_ids"] for one in reported["variants"])
    assert stable.images("sampleapp") == ["sampleapp:20"]


def counted(namespace: Namespace) -> int:
    """Return the number of the canary's requests in the output of `canary status`."""
    status = namespace.canary("status", "sampleapp", "--output", "json", code=None)
    if status.code:
        return 0
    variants = status.json()["workloads"][0]["variants"]
    return int(sum(v.get("requests") or 0 for v in variants if v["variant"] == "canary"))


def test_a_dry_run_decides_nothing_and_its_report_shows_what_other_tolerances_would_have_said(
    stable: Namespace, manifests: Path, tmp_path: Path
) -> None:
    assert manifests == tmp_path / "manifests"
    quick = {"warm-up": "1s", "min-duration": "3s", "interval": "500ms"}
    settings = {"namespace": stable.name, "tolerance": 0.05, "percentage": 100} | quick
    (tmp_path / "canary.yml").write_text(json.dumps(settings))
    with Traffic(stable):
        type_lines(stable, "try-it.md", "canary deploy", folder=tmp_path)
        type_lines(stable, "try-it.md", "--report-only --report canary-report", folder=tmp_path)
        replayed = type_lines(stable, "try-it.md", "--replay canary-report/report.json", folder=tmp_path)
        type_lines(stable, "try-it.md", "--report-only --max-duration 30m --report canary-report", folder=tmp_path)
    assert stable.images("sampleapp") == ["sampleapp:10"]
    assert stable.images("sampleapp-canary") == ["sampleapp:20"]
    report = json.loads((tmp_path / "canary-report/report.json").read_text())
    assert (report["outcome"], report["decision"], report["exit_code"]) == ("watched", "promote", 0)
    tolerances = {line.split()[0] for line in replayed.splitlines() if line.startswith("0.")}
    assert tolerances == {"0.01", "0.025", "0.05", "0.1"}
    assert re.search(r"^0\.05 \(as released\) +PROMOTE ", replayed, re.MULTILINE)
    type_lines(stable, "try-it.md", "canary reject", folder=tmp_path)
    assert stable.images("sampleapp-canary") is None


def test_a_release_without_traffic_says_so_and_stays_undecided(stable: Namespace, manifests: Path) -> None:
    result = stable.canary(
        "release",
        str(manifests),
        "--image",
        "sampleapp:20",
        *RELEASE,
        "--max-duration",
        "12s",
        "--no-traffic-after",
        "3s",
        code=4,
    )
    assert "is anything sending load to Service sampleapp?" in result.err
    assert stable.images("sampleapp") == ["sampleapp:10"]
    assert stable.images("sampleapp-canary") == ["sampleapp:20"]

    type_lines(stable, "steps-and-metrics.md", "{.data.")
    [owner] = (stable.get("configmap", "sampleapp-canary-counts") or {})["metadata"]["ownerReferences"]
    assert owner["name"] == "sampleapp-canary"
    stable.kubectl("delete", "deployment", "sampleapp-canary")
    poll("the counts go with the canary", lambda: stable.get("configmap", "sampleapp-canary-counts") is None)
