"""The commands that serve a console: what they print and open, how they end, what they refuse."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import pytest

from canary.cli.browser import has_desktop
from canary.marks import GATE
from canary.objects import LEASE, annotations_of
from e2e.console import Page
from e2e.faulty_proxy import FaultyProxy
from tests.canary.commandline import CANARY, CommandLine
from tests.canary.quick_release import NEW, QUICK
from tests.canary.story import Story, deployment, service


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run the installed command while the block lasts."""
    with subprocess.Popen([CANARY, *arguments], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def page_of(process: subprocess.Popen[str]) -> Page:
    """Return the page whose address is the first that a command says."""
    assert process.stderr
    return Page.in_output(process.stderr.readline())


def rest(process: subprocess.Popen[str]) -> str:
    """Return what a command says until it ends."""
    assert process.stderr
    said = process.stderr.read()
    process.wait(30)
    return said


def test_a_console_shows_the_releases_of_the_namespace_and_ctrl_c_ends_it(canary: CommandLine, story: Story) -> None:
    story.release(deployment("app:2")).deploy()
    with running("console") as console:
        page = page_of(console)
        page.until("nobody works on it")
        console.send_signal(signal.SIGINT)
        err = rest(console)
    assert console.returncode == 0
    assert err == (
        "Keep the address to yourself: it lets others decide, too. Ctrl-C ends the console.\n"
        "The console has ended; releases go on without it\n"
    )


def test_a_console_outlives_an_api_server_that_is_away_from_the_start(canary: CommandLine, story: Story) -> None:
    proxy = FaultyProxy(story.simulator.url)
    proxy.cut()
    canary.of_cluster(proxy.url, story.namespace)
    with running("console", "app") as console:
        page = page_of(console)
        page.until("cannot reach")
        proxy.mend()
        page.until("stable runs app:1")
        proxy.cut()
        assert "stable runs app:1" in page.until("cannot reach")
    proxy.close()


def test_a_console_waits_for_the_first_release_of_the_manifests_in_canary_yml(
    in_cluster: CommandLine, story: Story
) -> None:
    in_cluster.write_objects("m.yml", deployment(), service())
    in_cluster.write("canary.yml", "manifests: [m.yml]\n")
    with running("console") as console:
        page = page_of(console)
        page.until("No release yet: nothing is deployed")
        story.release(deployment("app:1"), service()).deploy()
        page.until("app:1")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ap",), "there is no Deployment ap in namespace {}, and no canary or baseline of it; did you mean app?"),
        (("--tls-cert", "c.pem"), "--tls-cert and --tls-key belong together: pass both, or none"),
        (("--namespace", "nowhere"), "there is no namespace nowhere: create it, or pass another --namespace"),
        (
            ("--listen", "localhost:99999"),
            "--listen localhost:99999: there is no port 99999; pass one up to 65,535, or 0",
        ),
        (("--listen", "somewhere"), "--listen somewhere: must be a host and a port such as 127.0.0.1:8443"),
    ],
)
def test_what_a_console_refuses(canary: CommandLine, story: Story, arguments: tuple[str, ...], message: str) -> None:
    result = canary("console", *arguments)
    assert (result.code, result.err) == (2, f"canary: error: {message.format(story.namespace)}\n")


def test_a_release_whose_console_cannot_listen_writes_nothing(canary: CommandLine, story: Story) -> None:
    before = story.cluster.get(LEASE, "app-canary"), story.names()
    result = canary("release", *NEW, *QUICK, "--gate", "console", "--listen", "192.0.2.1:80")
    assert result.code == 2
    assert "--listen 192.0.2.1" in result.err
    assert (story.cluster.get(LEASE, "app-canary"), story.names()) == before


@pytest.mark.usefixtures("answers")
def test_a_release_says_first_where_its_console_is_and_gives_up_without_a_decision(canary: CommandLine) -> None:
    result = canary("release", *NEW, *QUICK, "--gate", "console", "--gate-timeout", "1s")
    assert result.code == 4
    assert result.lines[0].startswith("Watch this release, and decide on it, at http://127.0.0.1:")
    assert "Decide in the console, whose address is above. To promote, run elsewhere: canary promote " in result.err
    assert "--gate console: nobody decided within 1 s (--gate-timeout)" in result.err
    assert result.err.count("token=") == 1


@pytest.mark.usefixtures("answers")
def test_open_pages_see_how_a_release_ended_and_its_report(canary: CommandLine) -> None:
    with running("release", *NEW, *QUICK, "--gate", "console", "--report", "out") as release:
        page = page_of(release)
        page.until("a driver waits for a decision")
        assert "Recorded: promote app." in page.press("promote")
        page.until("app:2 was promoted")
        reports = replace(page, address=f"{page.address.partition('?')[0]}reports")
        reports.until("/reports/newest")
        assert release.wait(30) == 0


@pytest.mark.usefixtures("answers")
def test_ctrl_c_ends_a_release_with_a_console_as_any_other(canary: CommandLine, story: Story) -> None:
    with running("release", *NEW, *QUICK, "--gate", "console") as release:
        page_of(release).until("a driver waits for a decision")
        release.send_signal(signal.SIGINT)
        assert "Canary and baseline are still running" in rest(release)
    assert release.returncode == 130
    assert GATE in annotations_of(story.deployment("app-canary"))


@pytest.mark.usefixtures("answers")
def test_a_driver_in_the_process_of_the_console_is_stopped_by_a_reject(canary: CommandLine, story: Story) -> None:
    with running("release", *NEW, *QUICK, "--min-duration", "10s", "--gate", "console") as release:
        page = page_of(release)
        page.until("a driver compares canary and baseline")
        assert "To confirm, type the name of the release: app" in page.press("reject")
        page.press("reject", typed="app")
        err = rest(release)
    assert release.returncode == 130
    assert "this driver stops here and leaves the release as it is" in err
    assert story.names() == {"app"}


def test_behind_a_proxy_that_authenticates_decisions_bear_the_name_that_it_passes_on(
    canary: CommandLine, story: Story
) -> None:
    story.release(deployment("app:2")).deploy()
    with running("console", "--host-name", "canary.example", "--user-header", "X-Forwarded-User") as console:
        page = page_of(console)
        page.session.headers["Host"] = "canary.example"
        page.until("nobody works on it")
        hidden = {"Origin": "https://canary.example"}
        assert "the request has no header X-Forwarded-User" in page.press("reject", headers=hidden)
        assert "Rejected app" in page.press("reject", headers={**hidden, "X-Forwarded-User": "bob"}, reason="too slow")
        console.send_signal(signal.SIGINT)
        assert "rejected app by bob: too slow; deleted app-baseline, app-canary" in rest(console)
    assert story.names() == {"app"}


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.skipif(sys.platform != "linux", reason="the desktops of other systems need no variable")
@pytest.mark.parametrize(
    ("environment", "screen", "is_desktop"),
    [
        ({"DISPLAY": ":0"}, Screen(), True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, Screen(), True),
        ({}, Screen(), False),
        ({"DISPLAY": ":0", "SSH_CONNECTION": "192.0.2.1 22"}, Screen(), False),
        ({"DISPLAY": ":0"}, io.StringIO(), False),
    ],
)
def test_the_browser_is_opened_at_a_desktop_alone(
    environment: Mapping[str, str], screen: io.StringIO, is_desktop: bool
) -> None:
    assert has_desktop(environment, screen) is is_desktop


def test_the_token_is_no_argument_of_the_browser_and_no_file_is_left(command_line: CommandLine) -> None:
    browser = command_line.write("browser", f"#!{sys.executable}\nimport sys\nprint(sys.argv[1])\n")
    browser.chmod(0o755)
    code = (
        "import pathlib\nfrom canary.cli.browser import opened_in_browser\n"
        "with opened_in_browser('http://127.0.0.1:1/?token=s3cret'):\n    pass\n"
    )
    environment = {**os.environ, "BROWSER": f"{browser} %s", "TMPDIR": str(command_line.folder)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.startswith("file://")
    assert "s3cret" not in done.stdout + done.stderr
    assert not list(command_line.folder.glob("canary-console-*"))
