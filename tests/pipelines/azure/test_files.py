"""The files of Azure's pipeline: valid by the vendor's schema, with the how-to's names, one release at a time."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.cluster import BIN, ROOT
from tests.pipelines.azure.templates import load_pipeline

TEMPLATE = yaml.safe_load((ROOT / "pipeline/azure/canary-steps.yml").read_text())
PAGE = (ROOT / "docs/azure-pipelines.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
HOW_TO = {
    "Build",
    "Deploy canary",
    "Create secret",
    "Deploy Fortio and ServiceMonitor",
    "Promote/reject canary",
    "Promote/reject input",
    "Promote or reject canary",
    "Promote canary",
    "Reject canary",
}


def named(node: Any, key: str) -> list[Any]:
    """Return all values of a key, at any depth."""
    if isinstance(node, list):
        return [found for one in node for found in named(one, key)]
    if not isinstance(node, dict):
        return []
    return [value for name, value in node.items() if name == key] + named(list(node.values()), key)


def lint(*files: Path) -> subprocess.CompletedProcess[str]:
    """Run the line of `make lint` for these files."""
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    (line,) = re.findall(r"^\t(\$\(PYTHON_BIN\)/check-jsonschema .*azure-pipelines\.yml.*)$", makefile, re.MULTILINE)
    words = [word for word in shlex.split(line.replace("$(PYTHON_BIN)", str(BIN))) if not word.endswith(".yml")]
    return subprocess.run([*words, *map(str, files)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("driver", ["canary", "task"])
def test_stages_jobs_and_steps_have_the_names_of_the_how_to(driver: str) -> None:
    assert set(named(load_pipeline(ROOT / "azure-pipelines.yml", {"driver": driver}), "displayName")) >= HOW_TO


def test_two_runs_wait_for_one_another_in_each_stage_that_uses_the_cluster() -> None:
    pipeline = load_pipeline(ROOT / "azure-pipelines.yml", {})
    assert pipeline["lockBehavior"] == "sequential"
    for stage in pipeline["stages"]:
        assert set(named(stage, "environment")) == (set() if stage["stage"] == "Build" else {"akscanary"})


def test_lint_finds_a_misspelt_input_of_a_task(tmp_path: Path) -> None:
    file = tmp_path / "azure-pipelines.yml"
    text = (ROOT / "azure-pipelines.yml").read_text()
    file.write_text(text)
    assert lint(file).returncode == 0
    file.write_text(text.replace("onTimeout", "onTimeOut"))
    assert lint(file).returncode == 1


def test_the_page_names_parameters_connections_and_environments_as_the_files_do() -> None:
    pipeline = yaml.safe_load((ROOT / "azure-pipelines.yml").read_text())
    for parameter in pipeline["parameters"]:
        assert f"`{parameter['name']}`" in PAGE
    for parameter in TEMPLATE["parameters"]:
        if parameter["name"] in ("connection", "registryConnection"):
            assert f"`{parameter['default']}`" in PAGE
    assert f"`{pipeline['variables']['containerRegistry']}`".strip("`") in PAGE
    assert "`akscanary`" in PAGE


@pytest.mark.parametrize("text", EXAMPLES, ids=["template", "container job"])
def test_each_pipeline_in_the_page_is_valid(text: str, tmp_path: Path) -> None:
    file = tmp_path / "azure-pipelines.yml"
    file.write_text(text)
    done = lint(file)
    assert done.returncode == 0, done.stdout


def test_the_pipeline_in_the_page_uses_the_templates_parameters() -> None:
    (used,) = (step for step in yaml.safe_load(EXAMPLES[0])["steps"] if "template" in step)
    assert used["template"] == "pipeline/azure/canary-steps.yml@canary-lab"
    assert used["parameters"].keys() <= {parameter["name"] for parameter in TEMPLATE["parameters"]}
