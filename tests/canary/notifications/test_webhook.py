"""Notifications to a URL: what is sent, and what happens if it does not arrive."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator

import pytest

from canary.cli.identity import ProcessIdentity
from tests.canary.cluster_simulator import Simulator, unready
from tests.canary.commandline import CommandLine, Result
from tests.canary.quick_release import NEW, QUICK
from tests.canary.story import Story
from tests.http_servers import Answer, Endpoint, Request, answering

SECRET = "/services/T0/B0/hunter2"
ADA = ProcessIdentity().person
RELEASE = ("release", *NEW, "--gate", "auto", *QUICK)


@pytest.fixture
def chat() -> Iterator[Endpoint]:
    """Give a server that takes everything."""
    with answering() as endpoint:
        yield endpoint


def events(endpoint: Endpoint) -> list[str]:
    """Return what the documents were about, in their order."""
    return [request.json["event"] for request in endpoint.requests]


def warnings(lines: list[str]) -> list[str]:
    return [line for line in lines if "could not be sent" in line]


@pytest.mark.usefixtures("answers")
def test_each_stage_of_a_promoted_release_is_posted_as_json(canary: CommandLine, story: Story, chat: Endpoint) -> None:
    result = canary(*RELEASE, "--notify-url", chat.url + SECRET)

    assert result.code == 0, result.err
    assert warnings(result.lines) == []
    assert events(chat) == ["deployed", "verdict", "promoted"]
    assert {(one.method, one.path, one.headers["Content-Type"]) for one in chat.requests} == {
        ("POST", SECRET, "application/json")
    }
    deployed, verdict, promoted = (request.json for request in chat.requests)
    at = promoted.pop("at")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", at)
    assert promoted == {
        "version": 1,
        "event": "promoted",
        "namespace": story.namespace,
        "workload": "app",
        "images": ["app:2"],
        "decision": "PROMOTE",
        "by": "auto",
        "sentence": "promoted app: it now runs app:2",
        "text": f"{story.namespace}/app: promoted app: it now runs app:2",
    }
    assert (deployed["images"], deployed["decision"], deployed["by"]) == (["app:2"], None, None)
    assert (verdict["decision"], verdict["by"]) == ("PROMOTE", None)
    assert verdict["sentence"].startswith("PROMOTE: canary ")


@pytest.mark.usefixtures("answers")
def test_a_rejected_release_says_who_decided_and_why(canary: CommandLine, chat: Endpoint) -> None:
    release = ("release", "m.yml", "--image", "app:3", "--percentage", "50", "--gate", "auto", *QUICK)
    assert canary(*release, "--notify-url", chat.url).code == 1

    assert events(chat) == ["deployed", "verdict", "rejected"]
    rejected = chat.requests[-1].json
    assert (rejected["decision"], rejected["by"], rejected["images"]) == ("REJECT", "auto", ["app:3"])
    assert rejected["sentence"].startswith("rejected app: canary 50")


@pytest.mark.usefixtures("answers")
def test_the_commands_of_a_pipeline_post_their_own_stages(
    canary: CommandLine, chat: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY_NOTIFY_URL", f"{chat.url}\n")  # as a Secret that was made of a file
    for command in (
        ("deploy", *NEW),
        ("watch", "app", *QUICK),
        ("promote", "m.yml", "--image", "app:2"),
        ("rollback", "app"),
        ("deploy", *NEW),
        ("reject", "app"),
        ("deploy", *NEW, "--expire-after", "0"),
        ("reap",),
    ):
        assert canary(*command).code == 0, command

    told = [(one.json["event"], one.json["decision"], one.json["by"]) for one in chat.requests]
    assert [one.json["images"] for one in chat.requests[:4]] == [["app:2"], [], ["app:2"], ["app:1"]]
    assert told == [
        ("deployed", None, None),
        ("verdict", "PROMOTE", None),
        ("promoted", "PROMOTE", ADA),
        ("rolled-back", None, ADA),
        ("deployed", None, None),
        ("rejected", "REJECT", ADA),
        ("deployed", None, None),
        ("rejected", "REJECT", ADA),
    ]


def test_an_undone_promote_is_posted(canary: CommandLine, chat: Endpoint, simulator: Simulator) -> None:
    simulator.script["app:2"] = unready
    promote = ("promote", *NEW[:3], "--unproven", "--timeout", "2s")
    assert canary(*promote, "--notify-url", chat.url).code == 5

    assert events(chat) == ["undone"]
    assert chat.requests[0].json["sentence"].startswith("undone: app is as it was before, because ")


def test_slack_finds_no_links_and_no_mentions_in_a_text(canary: CommandLine, chat: Endpoint) -> None:
    assert canary("deploy", *NEW).code == 0
    assert canary("reject", "app", "--reason", "<!channel> a & b", "--notify-url", chat.url).code == 0

    [rejected] = chat.requests
    assert rejected.json["sentence"] == "rejected app: <!channel> a & b"
    assert rejected.json["text"].endswith("/app: rejected app: &lt;!channel&gt; a &amp; b")


def test_teams_gets_an_adaptive_card(canary: CommandLine, story: Story, chat: Endpoint) -> None:
    assert canary("deploy", *NEW, "--notify-url", chat.url, "--notify-format", "teams").code == 0

    [document] = (request.json for request in chat.requests)
    assert (document["type"], document["event"]) == ("message", "deployed")
    [attachment] = document["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert card["type"] == "AdaptiveCard"
    heading, sentence, facts = card["body"]
    assert [one["text"] for one in heading["inlines"]] == [f"{story.namespace}/app"]
    assert [one["text"] for one in sentence["inlines"]] == ["deployed app-canary: it runs app:2"]
    assert [one["title"] for one in facts["facts"]] == ["Images", "Time"]


@pytest.mark.usefixtures("impatient")
def test_a_document_is_sent_again_until_the_server_takes_it(
    canary: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("canary.notifications.notifier.DRAIN", 60.0)
    first = iter([Answer(503), Answer(429, headers={"Retry-After": "0"}), Answer(500, "sorry")])
    with answering(lambda _: next(first, Answer())) as chat:
        result = canary("deploy", *NEW, "--notify-url", chat.url)

    assert result.code == 0
    assert warnings(result.lines) == []
    assert events(chat) == ["deployed"] * 4
    assert len({request.body for request in chat.requests}) == 1


@pytest.mark.usefixtures("impatient")
def test_a_server_that_wants_to_be_left_alone_for_long_is_left_alone(canary: CommandLine) -> None:
    with answering(lambda _: Answer(429, headers={"Retry-After": "3600"})) as chat:
        result = canary("deploy", *NEW, "--notify-url", chat.url)

    assert result.code == 0
    assert events(chat) == ["deployed"]
    assert warnings(result.lines) == [
        (
            f"warning: 1 of 1 notification could not be sent to {chat.url}: it answers 429. This does not affect the "
            "release. Check the URL of --notify-url"
        )
    ]


@pytest.mark.usefixtures("answers", "impatient")
def test_a_server_that_hangs_does_not_hold_up_a_release(canary: CommandLine, story: Story) -> None:
    is_over = threading.Event()

    def hang(_: Request) -> Answer:
        assert is_over.wait(60)  # the release would wait for ever if it waited for this answer
        return Answer()

    with answering(hang) as chat:
        result = canary(*RELEASE, "--notify-url", chat.url)
        is_over.set()

    assert result.code == 0, result.err
    assert story.names() == {"app"}
    assert warnings(result.lines) == [
        (
            f"warning: 3 of 3 notifications could not be sent to {chat.url}: it did not answer in time. This does not "
            "affect the release. Check the URL of --notify-url"
        )
    ]


@pytest.mark.usefixtures("answers", "impatient")
def test_a_server_that_always_fails_changes_no_exit_code_and_is_reported_once(canary: CommandLine) -> None:
    with answering(lambda _: Answer(500, "sorry")) as chat:
        promoted = canary(*RELEASE, "--notify-url", chat.url + SECRET)
        rejected = canary("release", "m.yml", "--image", "app:3", *RELEASE[4:], "--notify-url", chat.url + SECRET)

    assert (promoted.code, rejected.code) == (0, 1)
    for result in (promoted, rejected):
        assert warnings(result.lines) == [
            (
                f"warning: 3 of 3 notifications could not be sent to {chat.url}: it answers 500. This does not "
                "affect the release. Check the URL of --notify-url"
            )
        ]


@pytest.mark.usefixtures("impatient")
def test_a_server_that_is_not_there_is_reported(canary: CommandLine) -> None:
    result = canary("deploy", *NEW, "--notify-url", f"http://127.0.0.1:1{SECRET}")

    assert result.code == 0
    assert warnings(result.lines) == [
        (
            "warning: 1 of 1 notification could not be sent to http://127.0.0.1:1: Connection refused. This does not "
            "affect the release. Check the URL of --notify-url"
        )
    ]


def test_a_document_that_the_server_refuses_is_not_sent_again(canary: CommandLine) -> None:
    with answering(lambda request: Answer(404, f"no such hook: {request.path}")) as chat:
        result = canary("deploy", *NEW, "--notify-url", chat.url + SECRET)

    assert events(chat) == ["deployed"]
    assert warnings(result.lines) == [
        (
            f"warning: 1 of 1 notification could not be sent to {chat.url}: it answers 404. This "
            "does not affect the release. Check the URL of --notify-url"
        )
    ]


def test_a_redirect_is_not_followed(canary: CommandLine, chat: Endpoint) -> None:
    with answering(lambda _: Answer(307, headers={"Location": chat.url})) as moved:
        result = canary("deploy", *NEW, "--notify-url", moved.url)

    assert chat.requests == []
    assert "it redirects to another address (307), which is not followed" in warnings(result.lines)[0]


def test_documents_go_through_the_proxy_of_the_environment(
    canary: CommandLine, chat: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", chat.url)
    assert canary("deploy", *NEW, "--notify-url", "http://chat.example/hook").code == 0
    assert [request.path for request in chat.requests] == ["http://chat.example/hook"]


@pytest.mark.parametrize(
    "arguments",
    [("deploy", *NEW, "--dry-run"), ("promote", *NEW[:3], "--dry-run"), ("reap", "--dry-run")],
    ids=" ".join,
)
def test_a_dry_run_sends_nothing(arguments: tuple[str, ...], canary: CommandLine, chat: Endpoint) -> None:
    assert canary(*arguments, "--notify-url", chat.url).code == 0
    assert chat.requests == []


@pytest.mark.parametrize(
    "wrong", ["hunter2", "ftp://chat.example/hunter2", "https://", "https:///hunter2", "https://a b/hunter2", "@"]
)
def test_a_wrong_url_is_refused_before_anything_is_written_and_not_shown(
    wrong: str, canary: CommandLine, story: Story
) -> None:
    expected = "must be a URL such as https://chat.example/hook, or @FILE with a file that holds the URL"
    by_flag = canary("deploy", *NEW, "--notify-url", wrong)
    by_variable = canary("deploy", *NEW, environment={"CANARY_NOTIFY_URL": wrong})
    canary.write("canary.yml", f"notify-url: '{wrong}'\n")
    by_file = canary("deploy", *NEW)

    assert [one.code for one in (by_flag, by_variable, by_file)] == [2, 2, 2]
    assert by_flag.err == f"canary: error: --notify-url: {expected}\n"
    assert by_variable.err == f"canary: error: CANARY_NOTIFY_URL: {expected}\n"
    assert by_file.err == f"canary: error: canary.yml:1: notify-url: {expected}\n"
    assert not any("hunter2" in one.err + one.out for one in (by_flag, by_variable, by_file))
    assert story.names() == {"app"}


def test_the_traceback_of_a_wrong_url_does_not_show_it(canary: CommandLine) -> None:
    result = canary.process("deploy", *NEW, "--verbose", "--notify-url", "ftp://chat.example/hunter2")
    assert result.code == 2
    assert "Traceback" in result.err
    assert "hunter2" not in result.err


def test_the_url_may_be_in_a_file(canary: CommandLine, chat: Endpoint) -> None:
    canary.write("secret/url", f"{chat.url}{SECRET}\n")
    assert canary("deploy", *NEW, "--notify-url", "@secret/url").code == 0
    assert [request.path for request in chat.requests] == [SECRET]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read url: No such file or directory"),
        ("hunter2", "the content of url is not a URL: write one there, and nothing else"),
        ("@other", "the content of url is not a URL: write one there, and nothing else"),
        ("", "url is empty: write the URL into it"),
    ],
)
def test_a_file_without_a_url_is_refused_before_anything_is_written(
    content: str | None, message: str, canary: CommandLine, story: Story
) -> None:
    if content is not None:
        canary.write("url", content)
    result = canary("deploy", *NEW, "--notify-url", "@url")
    assert (result.code, result.err) == (2, f"canary: error: --notify-url: {message}\n")
    assert story.names() == {"app"}


def test_a_command_that_sends_nothing_does_not_need_the_file(canary: CommandLine) -> None:
    canary.write("canary.yml", "notify-url: '@missing'\n")
    assert canary("status", "app").code == 0


@pytest.mark.usefixtures("answers", "impatient")
def test_the_url_is_shown_nowhere(canary: CommandLine, story: Story, chat: Endpoint) -> None:
    environment = {"CANARY_NOTIFY_URL": f"https://ada:hunter3@chat.example{SECRET}"}
    text = canary("config", environment=environment)
    config = canary("config", "--output", "json", environment=environment)
    assert re.search(r"notify-url +https://chat\.example/… +CANARY_NOTIFY_URL\n", text.out)
    assert config.json()["notify-url"] == {"value": "https://chat.example/…", "source": "CANARY_NOTIFY_URL"}

    def run(*command: str) -> Result:
        return canary(*command, "--notify-url", refusing.url + SECRET, "--output", "json", "--verbose")

    with answering(lambda request: Answer(403, f"not for you: {request.path}")) as refusing:
        results = [text, config, run("deploy", *NEW)]
        shown = json.dumps(story.deployment("app-canary"))
        results.append(run("watch", "app", *QUICK, "--report", "watch"))
        results.append(run("promote", "m.yml", "--image", "app:2", "--report", "promote"))
    reports = [file.read_text() for file in canary.folder.glob("*/report.*")]
    assert len(reports) == 6
    assert [one.code for one in results] == [0] * 5
    assert "hunter" not in shown + "".join(reports) + "".join(one.out + one.err for one in results)


def test_no_password_of_netrc_is_sent(canary: CommandLine, chat: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _, *more, **named: resolve("127.0.0.1", *more, **named))
    monkeypatch.setenv("NETRC", str(canary.write("netrc", "machine chat.test login ada password hunter2\n")))
    assert canary("deploy", *NEW, "--notify-url", f"http://chat.test:{chat.server_port}/").code == 0
    assert [request.headers.get("Authorization") for request in chat.requests] == [None]
