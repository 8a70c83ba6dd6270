"""A project on GitHub that has this repository's workflow: its commits, settings and runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

from e2e.cluster import ROOT
from tests.pipelines.github.runner import Environment, Run
from tests.pipelines.github.workflow import read_workflow
from tests.pipelines.workbench import REGISTRY, REPOSITORY, Workbench


def check_out(workbench: Workbench, success_rate: int, settings: Mapping[str, object] = {}) -> Path:
    """Return the files of the commit that sets the success rate, with these settings in canary.yml."""
    folder = workbench.checkout(success_rate)
    file = folder / "canary.yml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | dict(settings)))
    manifest = folder / "manifests/deployment.yml"
    manifest.write_text(manifest.read_text().replace(f"image: {REGISTRY}/{REPOSITORY}", "image: sampleapp"))
    return folder


def new_run(
    workbench: Workbench,
    success_rate: int,
    review: Callable[[], str],
    *,
    settings: Mapping[str, object] = {},
    variables: Mapping[str, str] = {},
    secrets: Mapping[str, str] = {},
    secrets_of_production: Mapping[str, str] = {},
    inputs: Mapping[str, bool] | None = None,
    cancel_at: str | None = None,
) -> Run:
    """Return a run of canary.yml for the commit that sets the success rate.

    Args:
        workbench: the cluster, and what is installed on machines.
        success_rate: of the app, in percent.
        review: returns what the reviewers of the environment `production` do.
        settings: for canary.yml.
        variables: of the repository, besides those for the cluster.
        secrets: of the repository, besides the kubeconfig.
        secrets_of_production: of the environment.
        inputs: of a start by hand; None for a push.
        cancel_at: a text in the output at which somebody cancels the run.
    """
    number = len(list(workbench.folder.glob("run-*"))) + 1
    folder = workbench.folder / f"run-{number}"
    folder.mkdir(parents=True)
    kubeconfig = workbench.login or workbench.namespace.kubeconfig
    in_cluster = {"CANARY_CLUSTER": "kubeconfig", "CANARY_NAMESPACE": workbench.namespace.name}
    return Run(
        read_workflow((ROOT / ".github/workflows/canary.yml").read_text()),
        check_out(workbench, success_rate, settings),
        folder,
        workbench,
        number=number,
        event="push" if inputs is None else "workflow_dispatch",
        inputs=inputs or {},
        variables=in_cluster | {"LOAD_RATE": "150", "WATCH_TIME": "60s"} | dict(variables),
        secrets={"KUBECONFIG": kubeconfig.read_text()} | dict(secrets),
        environments={"production": Environment(review, secrets_of_production)},
        cancel_at=cancel_at,
    )
