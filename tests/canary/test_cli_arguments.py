"""Whether an argument is a Deployment's name or manifests."""

from __future__ import annotations

from pathlib import Path

import pytest

from canary.cli.arguments import names_and_manifests
from canary.errors import InputError


@pytest.mark.parametrize("name", ["sampleapp", "deployment/sampleapp", "deploy/sampleapp", "deployment.apps/sampleapp"])
def test_names_are_plain_or_as_kubectl_writes_them(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert names_and_manifests([name]) == (["sampleapp"], [])


@pytest.mark.parametrize("path", ["-", "manifests/", "./a", "/nowhere/at/all", "a.yml", "a.yaml", "a.json", "deploy/"])
def test_manifests_are_told_by_how_they_are_written(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert names_and_manifests(["app", path]) == (["app"], [path])


def test_a_file_below_a_folder_named_deploy_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deploy" / "prod").mkdir(parents=True)
    assert names_and_manifests(["deploy/prod"]) == ([], ["deploy/prod"])


def test_a_word_that_is_also_a_folder_is_not_guessed_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "web").mkdir()
    with pytest.raises(InputError) as error:
        names_and_manifests(["web"])
    assert str(error.value) == (
        "web is a folder here: write web/ for the manifests in it, deployment/web for the Deployment"
    )
