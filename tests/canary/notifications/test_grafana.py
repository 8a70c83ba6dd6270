"""Annotations in Grafana: a region from deploy to the decision, and points."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from canary.cli.identity import ProcessIdentity
from canary.marks import GRAFANA
from canary.objects import DEPLOYMENT
from canary.times import parse_timestamp
from tests.canary.cluster_simulator import Simulator, unready
from tests.canary.commandline import CommandLine
from tests.canary.notifications.grafana_api import MISSING_PERMISSION, TOKEN, GrafanaApi, serving
from tests.canary.quick_release import NEW, QUICK
from tests.canary.story import Story
from tests.http_servers import Answer, Endpoint, Request, answering

RELEASE = ("release", *NEW, "--gate", "auto", *QUICK)
PERSON = ProcessIdentity().person


@pytest.fixture
def api() -> GrafanaApi:
    """Give the annotations of a Grafana without any."""
    return GrafanaApi()


@pytest.fixture
def grafana(api: GrafanaApi, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """Serve it, and let the environment name it and its token."""
    with serving(api) as endpoint:
        monkeypatch.setenv("CANARY_GRAFANA_URL", endpoint.url)
        monkeypatch.setenv("CANARY_GRAFANA_TOKEN", TOKEN)
        yield endpoint


def warnings(lines: list[str]) -> list[str]:
    return [line for line in lines if "could not be sent" in line]


def created(deployment: dict[str, Any]) -> int:
    """Return when an object was created, in milliseconds."""
    return int(parse_timestamp(deployment["metadata"]["creationTimestamp"]) * 1000)


@pytest.mark.usefixtures("answers", "grafana")
def test_a_release_is_a_region_from_deploy_to_the_decision(canary: CommandLine, story: Story, api: GrafanaApi) -> None:
    result = canary(*RELEASE)

    assert result.code == 0, result.err
    assert warnings(result.lines) == []
    [region] = api.regions
    assert region["time"] < region["timeEnd"]
    assert region["tags"] == ["canary", story.namespace, "app", "promoted", "PROMOTE"]
    assert region["text"] == "promoted app: it now runs app:2 (decided by auto)"
    [verdict] = api.points
    assert verdict["tags"] == ["canary", story.namespace, "app", "verdict", "PROMOTE"]
    assert region["time"] < verdict["time"] <= region["timeEnd"]
    assert verdict["text"].startswith("PROMOTE: canary ")


@pytest.mark.usefixtures("grafana")
def test_the_region_begins_at_deploy_and_its_id_is_kept_on_the_canary(
    canary: CommandLine, story: Story, api: GrafanaApi
) -> None:
    assert canary("deploy", *NEW).code == 0
    assert list(api.annotations) == [1]
    assert api.annotations[1]["tags"] == ["canary", story.namespace, "app", "deployed"]
    deployed = story.deployment("app-canary")
    assert deployed["metadata"]["annotations"][GRAFANA] == "1"
    assert api.annotations[1]["time"] == created(deployed)

    assert canary("deploy", *NEW).code == 0
    assert list(api.annotations) == [1], "the same command again continues the same region"

    assert canary("reject", "app", "--reason", "answers are slow").code == 0
    [region] = api.annotations.values()
    assert region["timeEnd"] > region["time"] == created(deployed)
    assert region["tags"] == ["canary", story.namespace, "app", "rejected", "REJECT"]
    assert region["text"] == f"rejected app: answers are slow (decided by {PERSON})"


@pytest.mark.usefixtures("grafana")
def test_promote_ends_the_region_that_another_process_began(canary: CommandLine, api: GrafanaApi) -> None:
    assert canary.process("deploy", *NEW).code == 0
    assert canary.process("promote", "m.yml", "--image", "app:2").code == 0

    [region] = api.annotations.values()
    assert region["timeEnd"] > region["time"]
    assert "promoted" in region["tags"]


@pytest.mark.usefixtures("grafana")
def test_a_release_that_supersedes_another_ends_its_region(canary: CommandLine, api: GrafanaApi) -> None:
    assert canary("deploy", *NEW).code == 0
    assert canary("deploy", "m.yml", "--image", "app:3", "--percentage", "50", "--supersede").code == 0

    first, second = api.annotations.values()
    assert "superseded by a release of app:3" in first["text"]
    assert first["timeEnd"] > first["time"]
    assert second["timeEnd"] == second["time"]
    assert "deployed" in second["tags"]


@pytest.mark.usefixtures("grafana")
def test_a_reaped_release_ends_its_region(canary: CommandLine, api: GrafanaApi) -> None:
    assert canary("deploy", *NEW, "--expire-after", "0").code == 0
    assert canary("reap").code == 0
    [region] = api.annotations.values()
    assert "expired" in region["text"]


@pytest.mark.usefixtures("grafana")
def test_an_undone_promote_and_a_rollback_are_points(
    canary: CommandLine, api: GrafanaApi, simulator: Simulator
) -> None:
    assert canary("promote", *NEW[:3], "--unproven").code == 0
    assert canary("rollback", "app").code == 0
    simulator.script["app:3"] = unready
    assert canary("promote", "m.yml", "--image", "app:3", "--unproven", "--timeout", "2s").code == 5

    assert api.regions == []
    assert [one["tags"][3] for one in api.points] == ["promoted", "rolled-back", "undone"]


@pytest.mark.usefixtures("grafana")
def test_a_canary_that_was_deployed_without_grafana_gets_its_whole_region_at_the_end(
    canary: CommandLine, story: Story, api: GrafanaApi
) -> None:
    assert canary("deploy", *NEW, environment={"CANARY_GRAFANA_URL": ""}).code == 0
    deployed = story.deployment("app-canary")
    assert canary("reject", "app").code == 0

    [region] = api.annotations.values()
    assert region["time"] == created(deployed) < region["timeEnd"]


@pytest.mark.usefixtures("grafana")
def test_a_region_that_somebody_deleted_is_created_again(canary: CommandLine, api: GrafanaApi) -> None:
    assert canary("deploy", *NEW).code == 0
    api.annotations.clear()
    result = canary("reject", "app")

    assert warnings(result.lines) == []
    [region] = api.annotations.values()
    assert region["timeEnd"] > region["time"]


def test_grafana_may_be_served_from_a_path_and_the_token_may_be_in_a_file(canary: CommandLine) -> None:
    api = GrafanaApi(prefix="/grafana")
    canary.write("token", f"{TOKEN}\n")
    with serving(api) as endpoint:
        flags = ("--grafana-url", f"{endpoint.url}/grafana/", "--grafana-token-file", "token")
        result = canary("deploy", *NEW, *flags)

    assert (result.code, warnings(result.lines)) == (0, [])
    assert len(api.annotations) == 1


@pytest.mark.parametrize(
    ("token", "says"),
    [
        ("glsa_wrong", "it answers 401 (Invalid API key)"),
        ("", "it answers 401 (Invalid API key)"),
        (TOKEN, f"it answers 403 ({MISSING_PERMISSION}annotations:create)"),
    ],
)
def test_a_token_that_does_not_do_is_reported_once(
    token: str, says: str, canary: CommandLine, api: GrafanaApi, grafana: Endpoint
) -> None:
    api.may = False
    result = canary("deploy", *NEW, environment={"CANARY_GRAFANA_TOKEN": token})

    assert result.code == 0
    expected = (
        f"warning: 1 of 1 notification could not be sent to Grafana at {grafana.url}: {says}. This does not affect "
        "the release. Check --grafana-url, and the token and its permissions"
    )
    assert warnings(result.lines) == [expected]
    assert len(grafana.requests) == 1


@pytest.mark.usefixtures("impatient")
def test_an_annotation_is_sent_again_until_grafana_takes_it(
    canary: CommandLine, story: Story, api: GrafanaApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble = iter([Answer(502, "no Grafana"), Answer(503)])

    def answer(request: Request) -> Answer:
        return next(trouble, None) or api.answer(request)

    monkeypatch.setenv("CANARY_GRAFANA_TOKEN", TOKEN)
    monkeypatch.setattr("canary.notifications.notifier.DRAIN", 60.0)
    with answering(answer) as endpoint:
        result = canary("deploy", *NEW, "--grafana-url", endpoint.url)

    assert (result.code, warnings(result.lines)) == (0, [])
    assert len(api.annotations) == 1
    assert story.deployment("app-canary")["metadata"]["annotations"][GRAFANA] == "1"


def test_a_server_that_is_no_grafana_is_reported(canary: CommandLine) -> None:
    with answering(lambda _: Answer(200, "welcome")) as endpoint:
        result = canary("deploy", *NEW, "--grafana-url", endpoint.url)
    assert result.code == 0
    assert "it does not answer as Grafana does: the answer has no id" in warnings(result.lines)[0]


@pytest.mark.parametrize(
    "wrong", ["grafana.example", "https://ada:hunter2@grafana.example", "https://x/?token=hunter2"]
)
def test_a_wrong_url_is_refused_before_anything_is_written(wrong: str, canary: CommandLine, story: Story) -> None:
    result = canary("deploy", *NEW, "--grafana-url", wrong)
    assert result.code == 2
    assert result.err == (
        "canary: error: --grafana-url: must be a URL such as https://grafana.example, without user and password\n"
    )
    assert story.names() == {"app"}


@pytest.mark.usefixtures("grafana")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "--grafana-token-file: cannot read token: No such file or directory"),
        ("", "--grafana-token-file: token is empty: write the token into it"),
        (
            "hunter2\nhunter2",
            "--grafana-token-file: the content of token is not a token: it has characters other than printable ASCII",
        ),
    ],
)
def test_a_file_without_a_token_is_refused_before_anything_is_written(
    content: str | None, message: str, canary: CommandLine, story: Story
) -> None:
    if content is not None:
        canary.write("token", content)
    result = canary("deploy", *NEW, "--grafana-token-file", "token")
    assert (result.code, result.err) == (2, f"canary: error: {message}\n")
    assert story.names() == {"app"}


@pytest.mark.usefixtures("answers", "grafana")
def test_the_token_is_shown_nowhere(canary: CommandLine, story: Story, api: GrafanaApi) -> None:
    results = [canary("deploy", *NEW, "--output", "json", "--verbose"), canary("watch", "app", *QUICK, "-o", "json")]
    shown = json.dumps(story.cluster.get(DEPLOYMENT, "app-canary"))
    api.may = False
    results += [canary("config"), canary("config", "-o", "json"), canary("reject", "app", "--verbose")]
    assert [one.code for one in results] == [0] * 5
    assert TOKEN not in shown + "".join(one.out + one.err for one in results)


@pytest.mark.usefixtures("grafana")
def test_a_dry_run_annotates_nothing(canary: CommandLine, api: GrafanaApi) -> None:
    assert canary("deploy", *NEW, "--dry-run").code == 0
    assert api.annotations == {}
