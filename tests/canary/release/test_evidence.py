"""A rejected canary leaves what it did behind: logs, events, how it ended, what was counted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from canary.errors import ClusterError, ForbiddenError
from canary.events import Note, Rejected
from canary.marks import Variant
from canary.objects import CONFIG_MAP, POD
from tests.canary.cluster_simulator import died, waiting
from tests.canary.commandline import CommandLine
from tests.canary.story import Faulty, Story, deployment, service


@pytest.fixture
def kept(story: Story, tmp_path: Path) -> Path:
    """Give the folder of evidence of a story whose canary, app:2 beside app:1, is ready."""
    folder = tmp_path / "evidence"
    story.options = replace(story.options, evidence=str(folder))
    first = deployment("app:1")
    first["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "TOKEN", "value": "hunter2"}]
    story.stable(first)
    story.release(deployment("app:2")).deploy()
    story.events.clear()
    return folder


def the(folder: Path) -> Path:
    (one,) = folder.iterdir()
    return one


def pod_of(story: Story, prefix: str) -> str:
    names: list[str] = [pod["metadata"]["name"] for pod in story.cluster.find(POD)]
    return next(name for name in names if name.startswith(prefix))


def test_a_reject_keeps_logs_events_pods_counts_and_the_verdict_in_a_folder_that_it_names(
    story: Story, kept: Path
) -> None:
    story.counts.each = 50
    story.release(names=("app",)).watch()
    story.simulator.logs["app-canary"] = "one\ntwo\nthe last words\n"
    story.simulator.warn(story.namespace, "app-canary", "Unhealthy", "Readiness probe failed", times=3)
    story.simulator.set_status(story.namespace, "app-canary", died("OOMKilled", 137, restarts=2))
    pod = pod_of(story, "app-canary")

    story.release(names=("app",)).reject("answers are slow")

    folder = the(kept)
    [event] = story.heard(Rejected)
    assert event.evidence == str(folder)
    assert folder.name.startswith("app-2001")
    assert (folder / f"{pod}.app.log").read_text() == "one\ntwo\nthe last words\n"
    assert (folder / f"{pod}.app.previous.log").exists()
    assert "Warning  Unhealthy  Pod app-canary" in (folder / "events.txt").read_text()
    assert "(x3)" in (folder / "events.txt").read_text()
    pods = json.loads((folder / "pods.json").read_text())
    assert sorted(one["variant"] for one in pods) == ["baseline", "baseline", "canary", "canary"]
    container = next(one for one in pods if one["name"] == pod)["containers"][0]
    assert (container["restartCount"], container["lastState"]["terminated"]["exitCode"]) == (2, 137)
    assert container["imageID"] == "sha256:app:2"
    verdict = json.loads((folder / "verdict.json").read_text())
    assert (verdict["reason"], verdict["decision"]) == ("answers are slow", "PROMOTE")
    counted = {variant: one for variant, _, _, one, *_ in json.loads((folder / "samples.json").read_text())["totals"]}
    assert counted["canary"] == verdict["requests"]["canary"] > 0
    summary = (folder / "summary.txt").read_text()
    assert "answers are slow" in summary
    assert "OOMKilled (exit code 137), restarted 2 times" in summary
    assert "missing" not in summary


def test_a_canary_that_nobody_compared_is_kept_as_such(story: Story, kept: Path) -> None:
    story.release(names=("app",)).reject("asked to")
    assert json.loads((the(kept) / "verdict.json").read_text())["sentence"] == "nothing was compared"


def test_what_the_pods_are_started_with_is_not_kept(story: Story, kept: Path) -> None:
    story.release(names=("app",)).reject()
    assert not any("hunter2" in file.read_text() for file in the(kept).iterdir())


def test_an_automatic_reject_keeps_it_too(story: Story, kept: Path) -> None:
    story.counts.good[Variant.CANARY] = 0.1
    outcome = story.release(deployment("app:2")).run()
    assert not outcome.promoted
    verdict = json.loads((the(kept) / "verdict.json").read_text())
    assert (verdict["decision"], verdict["reason"]) == ("REJECT", outcome.verdict.sentence)


def test_it_is_kept_before_anything_is_deleted(story: Story, kept: Path) -> None:
    def look(*_: Any, **__: Any) -> None:
        assert (the(kept) / "summary.txt").exists()

    story.release(names=("app",), cluster=Faulty(story.cluster, {"delete": look})).reject()
    assert story.names() == {"app"}


def test_long_logs_are_cut_to_their_end(story: Story, kept: Path) -> None:
    story.simulator.logs["app-canary"] = "x" * 1_200_000 + "the end"
    pod = pod_of(story, "app-canary")
    story.release(names=("app",)).reject()
    text = (the(kept) / f"{pod}.app.log").read_text()
    assert (len(text), text[-7:]) == (1_000_000, "the end")


def test_a_canary_that_never_started_leaves_why(story: Story, tmp_path: Path) -> None:
    story.stable(deployment("app:1"))
    story.simulator.script["app:2"] = waiting("ImagePullBackOff", "no such image")
    with pytest.raises(Exception, match="no such image"):
        story.release(deployment("app:2")).deploy()
    story.release(names=("app",), evidence=str(tmp_path)).reject()
    assert "no such image" in (the(tmp_path) / "pods.json").read_text()
    assert json.loads((the(tmp_path) / "samples.json").read_text()) == {}


def test_a_folder_that_cannot_be_written_does_not_keep_a_bad_canary_alive(story: Story, tmp_path: Path) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    (tmp_path / "file").write_text("")

    story.release(names=("app",), evidence=str(tmp_path / "file")).reject()

    assert story.names() == {"app"}
    [event] = story.heard(Rejected)
    assert event.evidence == ""
    assert any(note.warning and "cannot be saved to" in note.text for note in story.heard(Note))


def forbidden(*_: Any, **__: Any) -> None:
    raise ForbiddenError('read the log of Pod x: pods "x" is forbidden: cannot get resource "pods/log"')


def broken(*_: Any, **__: Any) -> None:
    raise ClusterError("list Events: the API server answered 500")


@pytest.mark.parametrize(
    ("fault", "error", "told"), [("log", forbidden, "pods/log"), ("events", broken, "answered 500")]
)
def test_what_may_not_or_cannot_be_read_is_named_once_and_the_rest_is_kept(
    story: Story, kept: Path, fault: str, error: Any, told: str
) -> None:
    story.release(names=("app",), cluster=Faulty(story.cluster, {fault: error})).reject()
    assert story.names() == {"app"}
    summary = (the(kept) / "summary.txt").read_text()
    assert summary[summary.index("Missing") :].count(told) == 1
    [warning] = [note for note in story.heard(Note) if note.warning]
    assert told in warning.text
    assert json.loads((the(kept) / "pods.json").read_text())


def test_counts_that_cannot_be_read_are_named_and_do_not_keep_the_canary_alive(story: Story, kept: Path) -> None:
    story.release(names=("app",)).watch()
    counts = story.cluster.get(CONFIG_MAP, "app-canary-counts")
    assert counts is not None
    story.cluster.replace(counts | {"data": counts["data"] | {"counts.json": "{"}})
    story.release(names=("app",)).reject()
    assert story.names() == {"app"}
    assert "the counts of app in ConfigMap app-canary-counts cannot be read" in (the(kept) / "summary.txt").read_text()


def test_a_reject_of_nothing_keeps_nothing(story: Story, kept: Path) -> None:
    story.release(names=("app",)).reject()
    story.release(names=("app",)).reject()
    assert len(list(kept.iterdir())) == 1


def test_the_command_names_the_folder_and_takes_another(in_cluster: CommandLine, story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    state = in_cluster.folder / "state" / "canary" / story.namespace
    for arguments, parent in (((), state), (("--evidence", "kept"), "kept")):
        story.release(service(), deployment("app:2")).deploy()
        result = in_cluster("reject", "app", "--output", "json", *arguments)
        [rejected] = result.json()["rejected"]
        assert Path(rejected["evidence"]).parent == Path(parent)
        assert (in_cluster.folder / rejected["evidence"] / "summary.txt").exists()
        assert f"; logs and events are saved to {rejected['evidence']}" in result.err
    assert {path.name for path in in_cluster.folder.iterdir()} == {"kubeconfig", "kept", "state"}


def test_without_a_state_folder_evidence_goes_into_the_home(
    in_cluster: CommandLine, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.stable(service(), deployment("app:1"))
    story.release(service(), deployment("app:2")).deploy()
    monkeypatch.setenv("HOME", str(in_cluster.folder / "home"))
    result = in_cluster("reject", "app", "-o", "json", environment={"XDG_STATE_HOME": "relative"})
    [rejected] = result.json()["rejected"]
    assert Path(rejected["evidence"]).parent == in_cluster.folder / f"home/.local/state/canary/{story.namespace}"
