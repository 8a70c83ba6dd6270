"""Run the end-to-end suite on a real cluster: `make e2e`.

    make e2e                 on a new kind cluster (needs Docker and kind)
    make e2e OFFLINE=1       the same without a container registry (needs Debian 12 and root)
    make e2e CONTEXT=NAME    on the cluster of a context of $KUBECONFIG, with images that its nodes have or can pull

KEEP=1 keeps the cluster. LONG=1 also runs e2e/long, whose tests disturb others. TESTS="-k promote" selects tests.
KIND_NODE_IMAGE, BASE_IMAGE, PROMETHEUS_IMAGE, FORTIO_IMAGE, LOCUST_IMAGE and TRAEFIK_IMAGE replace the usual images.
GATEWAY_CRDS (a file, folder or URL) replaces the CRDs of the Gateway API. Exits with pytest's exit code, or with 2 if
there is no cluster to test on.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from e2e.app_versions import write_version  # noqa: E402  # makes versions as the tests do
from e2e.documented_commands import TYPED  # noqa: E402
from e2e.last_run import write  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

CLUSTER = "canary-lab-e2e"
VERSIONS = (5, 10, 20)
WORKERS = 4  # of pytest
AGREEMENT = "tests/localcluster/apiserver/test_agreement.py"  # compares localcluster with this cluster
LONGEST = (
    "pipelines_azure",
    "traffic",
    "cross_tool",
    "monitoring",
    "permissions",
    "release",
    "other_objects",
    "lock",
    "in_cluster",
    "operator",
    "undo",
)
LOGS = ROOT / ".cache" / "e2e-logs"
APP_MEGABYTES = 40  # that the app may add to its base image
DRIVER_MEGABYTES = 120  # that the driver may add
KUBECTL = str(Path(sys.executable).with_name("kubectl"))


class SetupError(Exception):
    """There is no cluster to test on; the message says what to do."""


def say(text: str) -> None:
    """Print the progress."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


def run(*command: str, hint: str = "") -> str:
    """Return the output of a command; raises SetupError with its last lines and a hint if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise SetupError(f"{shlex.join(command[:3])} failed:\n{last}\n{hint}".strip())
    return done.stdout


def need(tool: str, how: str) -> None:
    """Raise SetupError unless a command is installed."""
    if shutil.which(tool) is None:
        raise SetupError(f"{tool} is not installed. Install it: {how}. {WITHOUT_REGISTRY}")


WITHOUT_REGISTRY = "On Debian 12 without a container registry, run as root: make e2e OFFLINE=1"


def offline_images() -> None:
    """Build the images that otherwise come from a registry, and set their names in the environment."""
    for build in (".ci/node/build", ".ci/operator/build", ".ci/gateway/build"):
        done = subprocess.run([ROOT / build], stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise SetupError(f"{build} failed; see its messages above")
        for line in done.stdout.split():
            name, _, value = line.partition("=")
            os.environ.setdefault(name, value)


def free_node_ports(count: int) -> list[int]:
    """Return ports in the NodePort range that are free on this machine."""
    free: list[int] = []
    for port in range(30500, 32000):
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) != 0:
                free.append(port)
        if len(free) == count:
            return free
    raise SetupError(f"between 30500 and 32000, fewer than {count} ports are free")


def kind_config(node_ports: list[int], *, offline: bool) -> str:
    """Return the cluster's configuration: one node, and NodePorts that this machine forwards."""
    forwarded = [{"containerPort": port, "hostPort": port, "listenAddress": "127.0.0.1"} for port in node_ports]
    node = {"role": "control-plane", "extraPortMappings": forwarded}
    own = yaml.safe_load((ROOT / ".ci/node/kind.yaml").read_text()) if offline else {}
    return yaml.safe_dump({"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4"} | own | {"nodes": [node]})


@contextmanager
def kind_cluster(kubeconfig: Path, node_ports: list[int], *, offline: bool, keep: bool) -> Iterator[None]:
    """Create a kind cluster with the given kubeconfig, and delete it afterwards unless `keep` is set."""
    if CLUSTER in run("kind", "get", "clusters").split():
        say(f"delete cluster {CLUSTER} of an earlier run")
        run("kind", "delete", "cluster", "--name", CLUSTER)
    image = os.environ.get("KIND_NODE_IMAGE")
    say(f"create cluster {CLUSTER}" + (f" from {image}" if image else ""))
    config = kubeconfig.with_name("kind.yaml")
    config.write_text(kind_config(node_ports, offline=offline))
    command = ["kind", "create", "cluster", "--name", CLUSTER, "--config", str(config), "--wait", "180s"]
    try:
        run(*command, "--kubeconfig", str(kubeconfig), *(["--image", image] if image else []), hint=WITHOUT_REGISTRY)
        yield
    finally:
        if keep:
            say(f"cluster kept: export KUBECONFIG={kubeconfig}. To delete it: kind delete cluster --name {CLUSTER}")
        else:
            say(f"delete cluster {CLUSTER}")
            run("kind", "delete", "cluster", "--name", CLUSTER)


def build(image: str, context: Path, *flags: str, offline: bool) -> None:
    """Build an image on the base image in the environment, or else on the Dockerfile's own."""
    say(f"build {image}")
    base = os.environ.get("BASE_IMAGE")
    given = ["--build-arg", f"BASE_IMAGE={base}"] if base else []
    given += ["--network", "host"] if offline else []
    run("docker", "build", *given, *flags, "--tag", image, str(context), hint=WITHOUT_REGISTRY)


def check_size(image: str, megabytes: int, dockerfile: str) -> None:
    """Raise SetupError if an image adds more than the limit to its base image, where that is known."""
    if base := os.environ.get("BASE_IMAGE"):
        size, base_size = (int(run("docker", "image", "inspect", "-f", "{{.Size}}", one)) for one in (image, base))
        added = (size - base_size) / 1e6
        say(f"{image} adds {added:.0f} MB to its base image")
        if added > megabytes:
            raise SetupError(f"{image} adds more than {megabytes} MB. Check {dockerfile}")


def build_app(folder: Path, *, offline: bool) -> list[str]:
    """Build the app's versions as the tutorial does, by editing one line; returns the image names."""
    images = []
    for version in VERSIONS:
        images.append(f"sampleapp:{version}")
        build(images[-1], write_version(ROOT / "app", folder / f"app-{version}", version), offline=offline)
    check_size(images[0], APP_MEGABYTES, "app/Dockerfile")
    return images


def build_driver(*, offline: bool) -> str:
    """Build the driver's image; returns its name, which is the one in its manifests."""
    image = image_in(ROOT / "pipeline/job.yml")
    build(image, ROOT, "--file", str(ROOT / "pipeline/Dockerfile"), offline=offline)
    check_size(image, DRIVER_MEGABYTES, "pipeline/Dockerfile")
    return image


def supporting_images() -> list[str]:
    """Tag the replacements of supporting images with the names in the manifests; returns all images to load."""
    images = []
    for variable, manifest in (
        ("PROMETHEUS_IMAGE", "monitoring/prometheus"),
        ("FORTIO_IMAGE", "misc/fortio-deploy.yml"),
        ("LOCUST_IMAGE", "loadtest/locust.yml"),
        ("TRAEFIK_IMAGE", "e2e/traefik.yml"),
    ):
        if given := os.environ.get(variable):
            wanted = image_in(ROOT / manifest)
            run("docker", "tag", given, wanted)
            images.append(wanted)
    return images + [os.environ[name] for name in ("OPERATOR_IMAGE", "RELOADER_IMAGE") if name in os.environ]


def image_in(manifests: Path) -> str:
    """Return the first image in a manifest or in a folder of manifests."""
    files = sorted(manifests.glob("*.yml")) if manifests.is_dir() else [manifests]
    for document in (d for f in files for d in yaml.safe_load_all(f.read_text())):
        for container in (document.get("spec", {}).get("template") or {}).get("spec", {}).get("containers", []):
            return str(container["image"])
    raise SetupError(f"{manifests} has no container")


def install_gateway_api(kubeconfig: Path) -> None:
    """Install the kinds of the Gateway API, of the version that localcluster has."""
    version = json.loads((ROOT / "localcluster/storage/gateway.json").read_text())["source"]
    released = f"https://github.com/kubernetes-sigs/gateway-api/releases/download/{version}/standard-install.yaml"
    say(f"install the Gateway API {version}")
    kubectl = (KUBECTL, "--kubeconfig", str(kubeconfig))
    # Server-side: the CRDs are larger than the annotation in which kubectl would keep them.
    run(*kubectl, "apply", "--server-side", "-f", os.environ.get("GATEWAY_CRDS", released), hint=WITHOUT_REGISTRY)
    run(*kubectl, "wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")


def suite_files() -> list[str]:
    """Return the files of the suite, the longest first, so that none of them runs alone at the end."""
    rank = {f"test_{name}.py": number for number, name in enumerate(LONGEST)}
    files = sorted((ROOT / "e2e").glob("test_*.py"), key=lambda path: (rank.get(path.name, len(rank)), path.name))
    return [str(path.relative_to(ROOT)) for path in files]


def run_suite(kubeconfig: Path, settings: dict[str, str]) -> int:
    """Run the suite; returns pytest's exit code. LOGS has the cluster's events and the results."""
    shutil.rmtree(LOGS, ignore_errors=True)
    LOGS.mkdir(parents=True)
    watch = [KUBECTL, "--kubeconfig", str(kubeconfig), "get", "events", "-A", "--watch-only"]
    with (LOGS / "events").open("w") as events, subprocess.Popen(watch, stdout=events, stderr=events) as watching:
        tests = shlex.split(os.environ.get("TESTS", ""))
        results = ["--junitxml", str(LOGS / "results.xml"), "-o", "junit_family=xunit1"]  # with the counts of the tests
        workers = ["-n", str(WORKERS), "--dist", "loadfile", "--no-loadscope-reorder"]
        suite = [sys.executable, "-m", "pytest", *suite_files(), AGREEMENT, *workers, "-v", *results, *tests]
        settings = settings | {"E2E_KUBECONFIG": str(kubeconfig), "REFERENCE_KUBECONFIG": str(kubeconfig)}
        settings[TYPED] = str(LOGS / "typed")
        code = subprocess.run(suite, cwd=ROOT, env=os.environ | settings, check=False).returncode
        if not code and os.environ.get("LONG"):
            say("e2e/long: one test after the other, because they disturb the cluster")
            long = [sys.executable, "-m", "pytest", "e2e/long", "-m", "long", "-v", "--timeout", "600"]
            code = subprocess.run(long, cwd=ROOT, env=os.environ | settings, check=False).returncode
        watching.terminate()
    if not code:
        write_last_run(kubeconfig)
    return code


def write_last_run(kubeconfig: Path) -> None:
    """Write the cluster's version into the how-tos whose commands the suite has typed."""
    version = json.loads(run(KUBECTL, "--kubeconfig", str(kubeconfig), "version", "-o", "json"))["serverVersion"]
    for sentence in write(LOGS / "typed", version["gitVersion"]):
        say(sentence)


def collect(kubeconfig: Path) -> None:
    """Save the cluster's objects and logs to LOGS."""
    say(f"logs of the failure: {LOGS}")
    for name, command in {
        "objects.yaml": [KUBECTL, "--kubeconfig", str(kubeconfig), "get", "all", "-A", "-o", "yaml"],
        "kind-export": ["kind", "export", "logs", "--name", CLUSTER, str(LOGS / "kind")],
    }.items():
        with (LOGS / name).open("w") as out:
            subprocess.run(command, stdout=out, stderr=out, check=False)


def on_kind(folder: Path) -> int:
    """Create a cluster, run the suite on it, and delete it; returns pytest's exit code."""
    offline, keep = bool(os.environ.get("OFFLINE")), bool(os.environ.get("KEEP"))
    if offline:
        offline_images()
    need("docker", "https://docs.docker.com/get-docker/")
    need("kind", "https://kind.sigs.k8s.io/docs/user/quick-start/#installation")
    run("docker", "info", hint=f"Is Docker running, and may you use it? {WITHOUT_REGISTRY}")
    images = [*build_app(folder, offline=offline), build_driver(offline=offline), *supporting_images()]
    kubeconfig = folder / "kubeconfig"
    node_port, *gateway_ports = node_ports = free_node_ports(1 + WORKERS)
    with kind_cluster(kubeconfig, node_ports, offline=offline, keep=keep):
        say(f"load {', '.join(images)}")
        run("kind", "load", "docker-image", "--name", CLUSTER, *images)
        install_gateway_api(kubeconfig)
        settings = {"E2E_NODE_PORT": str(node_port), "E2E_ROUNDS": "10", "E2E_KIND_CLUSTER": CLUSTER}
        settings["E2E_GATEWAY_PORTS"] = " ".join(map(str, gateway_ports))
        if crds := os.environ.get("OPERATOR_CRDS"):
            settings["E2E_OPERATOR_CRDS"] = crds
        code = run_suite(kubeconfig, settings)
        if code:
            collect(kubeconfig)
    return code


def on_context(folder: Path, context: str) -> int:
    """Run the suite on an existing cluster; returns pytest's exit code."""
    kubeconfig = folder / "kubeconfig"
    kubeconfig.touch(mode=0o600)
    kubeconfig.write_text(run(KUBECTL, "config", "view", "--minify", "--flatten", "--context", context))
    say(f"context {context}: its nodes must have sampleapp:5, sampleapp:10 and sampleapp:20, or be able to pull them")
    return run_suite(kubeconfig, {})


def main() -> int:
    """Run the suite on the cluster that the environment selects."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the cluster is deleted
    folder = Path(tempfile.mkdtemp(prefix="canary-e2e-"))
    try:
        context = os.environ.get("CONTEXT")
        return on_context(folder, context) if context else on_kind(folder)
    except SetupError as error:
        print(f"e2e: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    finally:
        if not os.environ.get("KEEP"):
            shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
