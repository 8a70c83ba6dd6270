"""`make lesson`, `check` and `solve` with wrong input, or without a cluster: one message that says what helps."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.workshop.__main__ import main
from scripts.workshop.cluster import Cluster, WorkshopError
from scripts.workshop.lessons import LESSONS, ROOT
from scripts.workshop.prepare import Workshop

COMMANDS = ("lesson", "check", "solve")
LIST = "\n".join(f"  {lesson.number:2}  {lesson.title}" for lesson in LESSONS)


def told(command: str, home: Path, **environment: str) -> str:
    """Return what a command that cannot run prints."""
    kept = {k: v for k, v in os.environ.items() if k not in ("KUBECONFIG", "NAMESPACE", "N")}
    own = {"HOME": str(home), "LOCALCLUSTER_HOME": str(home / "localcluster"), **environment}
    done = subprocess.run(
        [sys.executable, "-m", "scripts.workshop", command],
        cwd=ROOT,
        env=kept | own,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    return done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_number_the_lessons_are_listed(command: str, tmp_path: Path) -> None:
    assert told(command, tmp_path) == f"make {command}: a number is missing. For example: make {command} N=1\n{LIST}\n"


@pytest.mark.parametrize("number", ["three", "0", "16", "-1", "1.5", "²"])
def test_what_is_no_lesson_is_named_and_the_lessons_are_listed(number: str, tmp_path: Path) -> None:
    message = f"make check: N={number} is no lesson. For example: make check N=1\n{LIST}\n"
    assert told("check", tmp_path, N=number) == message


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_cluster_it_says_how_to_start_one(command: str, tmp_path: Path) -> None:
    first, says, *_ = told(command, tmp_path, N="3").splitlines()
    assert first == (
        f"make {command}: No cluster answers (KUBECONFIG is not set). "
        "To use localcluster, type:  localcluster up && export KUBECONFIG=$(localcluster kubeconfig)"
    )
    assert says.startswith("kubectl says: ")


def test_a_kubeconfig_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    assert f"No cluster answers (KUBECONFIG={tmp_path}/gone)" in told(
        "check", tmp_path, N="1", KUBECONFIG=f"{tmp_path}/gone"
    )


def test_a_namespace_that_cannot_exist_is_refused(tmp_path: Path) -> None:
    assert told("lesson", tmp_path, N="2", NAMESPACE="Anna!") == (
        "make lesson: NAMESPACE=Anna! is not a valid name: use lower-case letters, digits and -, such as "
        "NAMESPACE=anna\n"
    )


@pytest.mark.parametrize(
    ("command", "again"),
    [
        ("lesson", "type make lesson N=7 again"),
        ("check", "type make check N=7 again"),
        ("solve", "to begin again: make lesson N=7"),
    ],
)
def test_ctrl_c_ends_a_command_with_one_line(
    command: str, again: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> Cluster:
        raise KeyboardInterrupt

    monkeypatch.setenv("N", "7")
    monkeypatch.setattr("scripts.workshop.__main__.connect", interrupted)

    assert main(command) == 130
    assert capsys.readouterr() == ("", f"\nmake {command}: interrupted; {again}\n")


def test_the_makefile_runs_the_three_commands() -> None:
    dry = subprocess.run(
        ["make", "--dry-run", *COMMANDS], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert [line.split()[-1] for line in dry if "scripts.workshop" in line] == list(COMMANDS)


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """Give a clone with an app whose line is 5, and no cluster."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app/app.py").write_text("import this\nsuccess_rate = 5\n")
    for words in ("init --quiet", "add app", "-c user.name=n -c user.email=n@example.org commit --quiet -m app"):
        subprocess.run(["git", *words.split()], cwd=tmp_path, check=True)
    return Workshop(tmp_path, Cluster("workshop", "workshop", {}), lambda _: None)


@pytest.mark.parametrize("text", ["", "success_rate = 5\nsuccess_rate = 6\n", "import this\nsuccess_rate = five\n"])
def test_an_app_that_somebody_broke_is_repaired_and_his_version_is_kept(workshop: Workshop, text: str) -> None:
    file = workshop.folder / "app/app.py"
    file.write_text(text)

    workshop.set_line(20)

    assert file.read_text() == "import this\nsuccess_rate = 20\n"
    kept = [one.read_text() for one in (workshop.folder / ".cache/workshop").glob("app-*.py")]
    assert kept in ([text], [])


def test_without_git_an_app_without_the_line_is_named(workshop: Workshop) -> None:
    (workshop.folder / ".git").rename(workshop.folder / "gone")
    (workshop.folder / "app/app.py").write_text("import this\n")
    with pytest.raises(WorkshopError, match=r"app/app\.py has no line 'success_rate = …'"):
        workshop.set_line(20)
