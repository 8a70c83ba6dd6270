"""`make fork` in a copy of the repository: what it renames, what it keeps, and what it refuses."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.template import IS_FORK, committed_copy, git

pytestmark = pytest.mark.skipif(IS_FORK, reason="this repository is a fork already")

NAME, IMAGE = "shop", "registry.example/team/shop"


def fork(folder: Path, name: str = NAME, image: str = IMAGE) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "scripts/fork.py", f"--name={name}", f"--image={image}"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a clone of the repository with its present files committed."""
    return committed_copy(tmp_path_factory.mktemp("template") / "clone")


@pytest.fixture(scope="module")
def forked(template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Give a forked clone, and what the fork said."""
    folder = tmp_path_factory.mktemp("forked") / "clone"
    git(template.parent, "clone", "--quiet", str(template), str(folder))
    done = fork(folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_a_fork_renames_the_app_where_a_release_and_its_pipelines_find_it(forked: tuple[Path, str]) -> None:
    folder, _ = forked
    deployment = yaml.safe_load((folder / "manifests/deployment.yml").read_text())
    service = yaml.safe_load((folder / "manifests/service.yml").read_text())
    pipeline = yaml.safe_load((folder / "azure-pipelines.yml").read_text())["variables"]
    dashboard = json.loads((folder / "monitoring/grafana/shop.json").read_text())

    assert deployment["metadata"]["name"] == "shop"
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == IMAGE
    assert service["spec"]["selector"] == {"app": "shop"}
    assert (pipeline["containerRegistry"], pipeline["imageRepository"]) == ("registry.example", "team/shop")
    assert (dashboard["uid"], dashboard["panels"][0]["title"]) == ("shop", "All shop pods")
    assert f"canary release manifests/ --image {IMAGE}:20" in (folder / "docs/gates.md").read_text()
    assert (
        f"image: {IMAGE}=${{{{ needs.build.outputs.image }}}}" in (folder / ".github/workflows/canary.yml").read_text()
    )
    assert ">shop, port 8080<" in (folder / "docs/images/architecture.svg").read_text()
    assert "http://shop:8080/" in (folder / "pipeline/azure/canary-steps.yml").read_text()


def test_the_old_name_is_left_only_where_it_is_an_example(forked: tuple[Path, str]) -> None:
    left = {path.split("/")[0] for path in git(forked[0], "grep", "-Il", "sampleapp", "--", ":!tests").split()}
    of_tests = {
        "/".join(path.split("/")[:2]) for path in git(forked[0], "grep", "-Il", "sampleapp", "--", "tests").split()
    }

    assert left <= {"CHANGELOG.md", "bench", "docs", "localcluster", "pipeline", "scripts"}
    assert of_tests == {"tests/app", "tests/canary", "tests/scripts", "tests/template.py"}
    assert git(forked[0], "grep", "-Il", "sampleapp", "--", "scripts", "tests/scripts").split() == [
        "scripts/fork.py",
        "tests/scripts/test_fork.py",
    ]


def test_a_fork_commits_nothing_and_does_nothing_more_after_a_commit(forked: tuple[Path, str], tmp_path: Path) -> None:
    folder = tmp_path / "clone"
    shutil.copytree(forked[0], folder)
    assert git(folder, "log", "--format=%s").splitlines() == ["template"]
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "-m", "fork")

    again, other = fork(folder), fork(folder, "store")

    assert (again.returncode, again.stdout) == (0, f"Nothing to do: the app is already shop, with the image {IMAGE}.\n")
    assert other.returncode == 2
    assert "this repository is a fork already. Rename shop by hand" in other.stderr
    assert git(folder, "status", "--porcelain") == ""


def test_the_command_that_undoes_a_fork_works_when_pasted(template: Path, tmp_path: Path) -> None:
    folder = tmp_path / "clone"
    git(template.parent, "clone", "--quiet", str(template), str(folder))
    (undo,) = re.findall(r"To undo them: (.*)", fork(folder).stdout)

    subprocess.run(["bash", "-c", undo], cwd=folder, check=True, capture_output=True)

    assert git(folder, "status", "--porcelain") == ""


def test_a_fork_that_cannot_be_formatted_says_how_to_undo_it(template: Path, tmp_path: Path) -> None:
    folder = tmp_path / "clone"
    git(template.parent, "clone", "--quiet", str(template), str(folder))
    (folder / "ruff.py").write_text("raise SystemExit(1)\n")
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "-m", "a ruff that fails")

    done = fork(folder)

    assert done.returncode == 2
    assert done.stderr == (
        "make fork: the app is renamed, but -m ruff format failed, which formats what has changed. To undo it all: "
        "git restore . && git clean -fd monitoring\n"
    )


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_tests_and_the_workshop_of_a_fork_still_work(forked: tuple[Path, str], tmp_path: Path) -> None:
    folder = tmp_path / "clone"
    shutil.copytree(forked[0], folder)
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "-m", "fork")
    tests = ["tests/scripts", "tests/docs", "tests/test_manifests.py", "tests/test_monitoring.py", "tests/loadtest"]
    typed = "e2e/test_tutorial.py::test_each_command_of_the_tutorial_shows_what_the_page_says"
    steps = "e2e/test_tutorial.py::test_a_lesson_is_prepared_then_found_missing_then_solved_by_its_page[8]"

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", *tests, typed, steps],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-6000:]


@pytest.mark.parametrize("name", ["shop", "an-app-with-a-much-longer-name-than-the-sample-has"])
def test_the_code_of_a_fork_passes_the_checks_of_style(name: str, template: Path, tmp_path: Path) -> None:
    folder = tmp_path / "clone"
    git(template.parent, "clone", "--quiet", str(template), str(folder))
    assert fork(folder, name).returncode == 0

    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("name", "image", "said"),
    [
        ("", IMAGE, "NAME is missing. For example: make fork NAME=shop IMAGE=registry.example/shop"),
        ("Shop", IMAGE, "NAME=Shop: a Service's name has lower-case letters, digits and -"),
        ("2shop", IMAGE, "begins with a letter"),
        ("shop_eu", IMAGE, "lower-case letters, digits and -"),
        ("shop\n", IMAGE, "lower-case letters, digits and -"),
        ("s" * 55, IMAGE, "with -baseline it is longer than 63 characters. Use 54 at most"),
        ("shop-canary", IMAGE, "a release makes Deployments with this ending"),
        ("fortio", IMAGE, "something in this repository already has this name"),
        ("shop", "", "IMAGE is missing"),
        ("shop", "registry.example:5000/shop:1", "leave out the tag or digest, because each release names its own: "),
        ("shop", "registry.example/shop@sha256:0", "IMAGE=registry.example/shop\n"),
        ("shop", "https://registry.example/shop", "an image has no scheme. Leave out https://"),
        ("shop", "registry.example/Shop", "is not an image's name"),
        ("shop", "registry.example/shop/", "is not an image's name"),
        ("shop", "$(date)", "is not an image's name"),
    ],
)
def test_a_name_or_an_image_that_cannot_be_is_refused_before_anything_is_written(
    name: str, image: str, said: str, template: Path
) -> None:
    done = fork(template, name, image)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.match("make fork: (NAME|IMAGE)", done.stderr)
    assert said in done.stderr
    assert git(template, "status", "--porcelain") == ""


def test_a_registry_with_a_port_is_accepted(template: Path, tmp_path: Path) -> None:
    folder = tmp_path / "clone"
    git(template.parent, "clone", "--quiet", str(template), str(folder))
    assert fork(folder, "shop", "localhost:5000/shop").returncode == 0
    assert "containerRegistry: localhost:5000 #" in (folder / "azure-pipelines.yml").read_text()


def test_changes_that_are_not_committed_are_refused_by_name(template: Path, tmp_path: Path) -> None:
    folder = tmp_path / "clone"
    git(template.parent, "clone", "--quiet", str(template), str(folder))
    (folder / "app/app.py").write_text("my own")

    done = fork(folder)

    assert done.returncode == 2
    assert done.stderr == (
        "make fork: the working tree has changes, such as app/app.py. Commit or stash them, so that you can undo this\n"
    )
    assert git(folder, "status", "--porcelain").split() == ["M", "app/app.py"]


def test_make_passes_name_and_image_on_as_they_were_typed(repository: Path) -> None:
    command = ["make", "--dry-run", "fork", "NAME=$(shell echo shop)", "IMAGE=x'; false"]
    outside = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}  # of this make
    done = subprocess.run(command, cwd=repository, env=outside, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == '.venv/bin/python scripts/fork.py "--name=$NAME" "--image=$IMAGE"'
