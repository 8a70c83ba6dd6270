"""The driver's image as the container of a pipeline's job: started and used as the vendors' agents do.

The agent of Azure Pipelines creates the container with a command of its own, and then, as the container's user, a user
with the agent's number, as whom each step runs. GitHub's runner replaces the entry point, and each step runs as the
container's user. Both mount the job's folder. Unlike here, they give the container a network of its own.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.cluster import ROOT, Namespace
from e2e.traffic import Traffic

pytestmark = [
    pytest.mark.skipif(
        "E2E_KUBECONFIG" not in os.environ or shutil.which("docker") is None,
        reason="needs Docker, and the driver's image, which make e2e builds",
    ),
    pytest.mark.timeout(300),
]

(DRIVER,) = yaml.safe_load((ROOT / "pipeline/job.yml").read_text())["spec"]["template"]["spec"]["containers"]
IMAGE = DRIVER["image"]
AGENT = "1001"
"""Number of the user as whom hosted agents run."""
QUICK = {"CANARY_WARM_UP": "1s", "CANARY_MIN_DURATION": "3s", "CANARY_INTERVAL": "1s", "CANARY_PERCENTAGE": "100"}


def docker(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        ["docker", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=200
    )
    assert done.returncode == 0 or not check, f"docker {' '.join(arguments)}: {done.stdout}"
    return done


def example(page: str, containing: str) -> dict[str, Any]:
    """Return the pipeline of a page that contains a text."""
    found = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "docs" / page).read_text(), re.MULTILINE | re.DOTALL)
    (text,) = (one for one in found if containing in one)
    content: dict[str, Any] = yaml.safe_load(text)
    return content


@contextmanager
def container(folder: Path, *options: str, command: tuple[str, ...]) -> Iterator[str]:
    """Give the name of a running container of the driver's image, with the job's folder."""
    name = f"job-{uuid.uuid4().hex[:8]}"
    docker("create", "--name", name, "--network", "host", "-v", f"{folder}:{folder}", *options, IMAGE, *command)
    try:
        docker("start", name)
        yield name
    finally:
        docker("rm", "--force", name)


def step(command: str, script: str, folder: Path, env: Mapping[str, str]) -> str:
    """Run a step's script in the job's folder, and return its output; it must succeed.

    Args:
        command: the arguments of `docker exec` from the user to the shell.
        script: of the step.
        folder: of the job.
        env: variables of the step.
    """
    variables = [word for name, value in (QUICK | dict(env)).items() for word in ("--env", f"{name}={value}")]
    file = folder / "step.sh"
    file.write_text(script)
    return docker("exec", "--workdir", str(folder), *variables, *command.split(), str(file)).stdout


@pytest.fixture
def job(stable: Namespace, manifests: Path) -> Path:
    """Give the folder of a job: a checkout with the manifests, and a kubeconfig; any user may use it."""
    folder = stable.folder / "job"
    folder.mkdir()
    (folder / "kubeconfig").write_text(stable.kubeconfig.read_text())
    manifests.rename(folder / "manifests")
    subprocess.run(["chmod", "-R", "a+rwX", folder], check=True)
    return folder


def test_azures_agent_releases_in_the_container_of_the_page(stable: Namespace, job: Path) -> None:
    pipeline = example("azure-pipelines.md", "containers:")
    (resource,) = pipeline["resources"]["containers"]
    (release,) = (one for one in pipeline["steps"] if "bash" in one)
    env = {name: value.replace("canarydemo", stable.name) for name, value in release["env"].items()}
    env |= {"KUBECONFIG": str(job / "kubeconfig"), "IMAGE": "sampleapp:20", "REPORT": str(job / "report")}
    options = shlex.split(resource["options"])
    with Traffic(stable), container(job, *options, command=("sleep", "300")) as name:
        docker("exec", name, "sh", "-c", "command -v bash")
        docker("exec", name, "useradd", "-m", "-u", AGENT, "vsts_azpcontainer")
        docker("exec", name, "groupadd", "azure_pipelines_sudo")
        docker("exec", name, "usermod", "-a", "-G", "azure_pipelines_sudo", "vsts_azpcontainer")
        output = step(f"--user {AGENT} {name} bash --noprofile --norc", release["bash"], job, env)
    assert stable.images("sampleapp") == ["sampleapp:20"], output
    assert stable.images("sampleapp-canary") is None
    assert (job / "report/report.html").stat().st_uid == int(AGENT)


def test_githubs_runner_releases_in_the_container_of_the_page(stable: Namespace, job: Path) -> None:
    workflow = example("github-actions.md", "container:")["jobs"]["release"]
    (release,) = (one for one in workflow["steps"] if "run" in one)
    env = {
        "KUBECONFIG_TEXT": stable.kubeconfig.read_text(),
        "IMAGE": "sampleapp:20",
        "NAMESPACE": stable.name,
    }
    assert env.keys() == release["env"].keys()
    env |= {"RUNNER_TEMP": str(job), "GITHUB_STEP_SUMMARY": str(job / "summary.md")}
    options = ("--entrypoint", "tail", *shlex.split(workflow["container"]["options"]))
    with Traffic(stable), container(job, *options, command=("-f", "/dev/null")) as name:
        output = step(f"{name} sh -e", release["run"], job, env)
    assert stable.images("sampleapp") == ["sampleapp:20"], output
    assert stable.images("sampleapp-canary") is None
    assert "**PROMOTE**" in (job / "summary.md").read_text()


def options_without(option: str) -> list[str]:
    """Return the options of Azure's page without one of them."""
    options: str = example("azure-pipelines.md", "containers:")["resources"]["containers"][0]["options"]
    assert option in options
    return shlex.split(options.replace(option, ""))


def test_with_the_images_entry_point_the_container_of_azures_agent_ends_at_once(tmp_path: Path) -> None:
    with container(tmp_path, *options_without("--entrypoint="), command=("sleep", "300")) as name:
        assert docker("wait", name).stdout == "2\n"
        assert "No such command 'sleep'" in docker("logs", name).stdout


def test_as_the_images_user_azures_agent_cannot_create_its_own(tmp_path: Path) -> None:
    with container(tmp_path, *options_without("--user 0"), command=("sleep", "300")) as name:
        refused = docker("exec", name, "useradd", "-m", "-u", AGENT, "vsts_azpcontainer", check=False)
    assert refused.returncode == 1
    assert "Permission denied" in refused.stdout
