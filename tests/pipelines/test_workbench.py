"""The parts that both vendors' pipelines are tested with do what real agents and clusters do."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.pipelines.steps import GITHUB_CANCEL, Agent
from tests.pipelines.workbench import Workbench, image


def test_an_installed_canary_deploys_and_fortio_reaches_it(workbench: Workbench) -> None:
    checkout, agent = workbench.checkout(10), Agent(workbench.folder / "steps")
    workbench.build(checkout / "app", image(10))
    environment = workbench.environment() | {
        "KUBECONFIG": str(workbench.namespace.kubeconfig),
        "NAMESPACE": workbench.namespace.name,
        "IMAGE": image(10),
        "TOOLS": str(workbench.tools / "canary"),
    }
    script = """
        set -euo pipefail
        pipeline/install "$TOOLS"
        export PATH=$TOOLS/bin:$PATH
        canary deploy manifests/* --image "$IMAGE" --namespace "$NAMESPACE"
        canary apply misc/* --namespace "$NAMESPACE"
        kubectl exec --namespace "$NAMESPACE" deploy/fortio-deploy -c fortio -- /usr/bin/fortio load \
          -allow-initial-errors -keepalive=false -qps 50 -t 1s http://sampleapp:8080/
    """
    done = agent.run_script(script, environment, checkout)
    assert done.code == 0, done.output
    assert "Code 200 : " in done.output
    assert "Code 500 : " in done.output
    assert workbench.deployments() == {"sampleapp-canary": image(10)}


def test_packages_are_installed_again_when_the_python_of_an_agent_is_gone(workbench: Workbench, tmp_path: Path) -> None:
    agent = Agent(tmp_path / "steps")
    install = "pipeline/install tools && tools/bin/canary --version"
    checkout = workbench.checkout(10)
    python = checkout / "tools/venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to("gone")
    shutil.copy(workbench.tools / "made-from", checkout / "tools")
    done = agent.run_script(install, workbench.environment(), checkout)
    assert (done.code, done.output.split()[0]) == (0, "canary,"), done.output


def test_a_cancelled_script_is_interrupted_and_leaves_nothing_running(workbench: Workbench) -> None:
    agent = Agent(workbench.folder / "steps", cancel=GITHUB_CANCEL)
    done = agent.run_script(
        "trap 'echo cleaned up; exit 130' INT; echo begun; while true; do sleep 0.1; done",
        workbench.environment(),
        workbench.folder,
        cancel_at="begun",
    )
    assert (done.code, done.cancelled) == (130, True)
    assert "cleaned up" in done.output
