"""The files for GitHub agree with the command, and with each other."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from e2e.cluster import BIN
from scripts.make_action_inputs import TARGET, action

ROOT = Path(__file__).parents[3]
FILES = sorted([*ROOT.glob(".github/workflows/*.yml"), *ROOT.glob("pipeline/github/**/action.yml")])
PAGE = ROOT / "docs/github-actions.md"
EXAMPLES = re.findall(r"^```yaml\n(name: .*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
USES = [
    pytest.param(line, id=f"{file.relative_to(ROOT)}:{number}")
    for file in FILES
    for number, line in enumerate(file.read_text().splitlines(), start=1)
    if re.match(r"\s*(- )?uses: ", line)
]


def test_the_actions_inputs_are_the_flags_of_the_commands_that_it_runs() -> None:
    text = TARGET.read_text()
    assert action(text) == text, "run scripts/make_action_inputs.py"


@pytest.mark.parametrize("line", USES)
def test_every_action_is_this_repositorys_own_or_pinned_by_commit_with_its_version(line: str) -> None:
    own = re.fullmatch(r"\s*(- )?uses: \./pipeline/github(/connect)?( #.*)?", line)
    assert own or re.fullmatch(r"\s*(- )?uses: [\w.-]+/[\w.-]+@[0-9a-f]{40} # v[0-9]+(\.[0-9]+){1,2}", line)


@pytest.mark.parametrize("text", EXAMPLES, ids=["release", "release in a container"])
def test_each_workflow_in_the_page_is_valid_by_the_vendors_schema(text: str, tmp_path: Path) -> None:
    file = tmp_path / "workflow.yml"
    file.write_text(text)
    check = [str(BIN / "check-jsonschema"), "--builtin-schema", "vendor.github-workflows", str(file)]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_an_action_has_the_same_commit_everywhere() -> None:
    pins = {
        match for file in [*FILES, PAGE] for match in re.findall(r"uses: ([\w.-]+/[\w.-]+)@(\w+)", file.read_text())
    }
    assert len(pins) == len(dict(pins))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_expression_is_part_of_a_script(file: Path) -> None:
    content = yaml.safe_load(file.read_text())
    jobs = content["jobs"].values() if "jobs" in content else [content["runs"]]
    scripts = [step["run"] for job in jobs for step in job["steps"] if "run" in step]
    assert scripts
    assert not [script for script in scripts if "${{" in script]


@pytest.mark.parametrize("file", sorted(ROOT.glob(".github/workflows/*.yml")), ids=lambda file: file.name)
def test_each_job_has_no_more_permissions_than_it_states(file: Path) -> None:
    workflow = yaml.safe_load(file.read_text())
    if workflow["permissions"] == {"contents": "read"}:  # ci: no job needs more
        assert not any("permissions" in job for job in workflow["jobs"].values())
    else:
        assert workflow["permissions"] == {}
        assert all("permissions" in job for job in workflow["jobs"].values())
