"""The runner of these tests refuses what it does not know, so that no step is skipped without notice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.pipelines.azure.expressions import Closed, Scope, UnknownError, evaluate
from tests.pipelines.azure.runner import Run
from tests.pipelines.azure.tasks import check_inputs
from tests.pipelines.azure.templates import load_pipeline
from tests.pipelines.workbench import Workbench

SCOPE = Scope(
    {"dependencies": Closed(A={"result": "Failed", "outputs": {"step.x": "1"}})}, {"succeeded": lambda: False}
)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("eq('Task', 'task')", True),
        ("ne(dependencies.A.result, 'Skipped')", True),
        ("eq(dependencies.A.outputs['step.x'], 1)", True),
        ("eq(dependencies.A.outputs['step.y'], '')", True),
        ("and(not(succeeded()), or(false, in(dependencies.A.result, 'Failed', 'Canceled')))", True),
        ("eq('it''s', 'it''s')", True),
    ],
)
def test_expressions_have_the_value_that_azure_documents(expression: str, value: Any) -> None:
    assert evaluate(expression, SCOPE) is value


@pytest.mark.parametrize(
    "expression",
    [
        "startsWith('a', 'a')",
        "dependencies.B.result",
        "variables.x",
        "eq('a' 'b')",
        "eq('a', 'b') and",
        "failed()",
        "a*b",
    ],
)
def test_an_expression_that_the_runner_does_not_know_is_an_error(expression: str) -> None:
    with pytest.raises(UnknownError):
        evaluate(expression, SCOPE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stages:\n- ${{ each one in parameters.all }}:\n  - stage: A", "each"),
        ("stages:\n- ${{ if eq(parameters.undeclared, 1) }}:\n  - stage: A", "undeclared"),
        ("stages:\n- ${{ else }}:\n  - stage: A", "else"),
        ("parameters:\n- name: wanted\n  type: string\nstages: []", "a value is required for parameter wanted"),
        ("parameters:\n- name: n\n  type: number\n  default: many\nstages: []", "'many' is not a number"),
        ("parameters:\n- name: n\n  type: string\n  default: c\n  values: [a, b]\nstages: []", "c is not one of"),
    ],
)
def test_a_template_that_the_runner_does_not_know_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "azure-pipelines.yml"
    file.write_text(text)
    with pytest.raises(UnknownError, match=message):
        load_pipeline(file, {})


@pytest.mark.parametrize(
    ("task", "inputs", "message"),
    [
        ("ManualValidation@1", {"notifyUsers": "", "onTimeOut": "reject"}, "onTimeOut"),
        ("ManualValidation@1", {"notifyUsers": "", "onTimeout": "promote"}, "'promote' is not one of"),
        ("ManualValidation@1", {"instructions": "look"}, "'notifyUsers' is a required property"),
        ("KubernetesManifest@1", {"action": "undo"}, "'undo' is not one of"),
        ("KubernetesManifest@9", {}, "not in the vendor's schema"),
    ],
)
def test_task_inputs_are_checked_against_the_vendors_schema(task: str, inputs: dict[str, str], message: str) -> None:
    with pytest.raises(UnknownError, match=message):
        check_inputs(task, inputs)


@pytest.mark.parametrize(
    ("known", "unknown", "message"),
    [
        ("tags: $(Build.BuildId)", "tags: $(Build.Number)", "Build.Number"),
        ("command: buildAndPush", "command: build", "command build"),
        ("task: Docker@2", "task: Docker@1", "Docker@1"),
        ("buildContext: app", "buildContext: app\n              arguments: --pull", "arguments"),
        ("- task: Docker@2", "- pwsh: exit\n          - task: Docker@2", "pwsh"),
        (
            "- task: Docker@2",
            '- bash: echo "##vso[task.complete result=Failed]"\n          - task: Docker@2',
            "complete",
        ),
        ("vmImage: ubuntu-latest", "vmImage: windows-latest", "windows-latest"),
        ("  - stage: Build\n", "  - stage: Build\n    condition: startsWith('a', 'a')\n", "startsWith"),
        ("  - stage: Build\n", "  - stage: Build\n    isSkippable: false\n", "isSkippable"),
    ],
)
def test_a_pipeline_with_something_unknown_does_not_run(
    workbench: Workbench, known: str, unknown: str, message: str
) -> None:
    checkout = workbench.checkout(5)
    file = checkout / "azure-pipelines.yml"
    assert known in file.read_text()
    file.write_text(file.read_text().replace(known, unknown, 1))
    with pytest.raises(UnknownError, match=message):
        Run(workbench, checkout, 5).go("Build")
