"""People decide on releases in a browser, at the console."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import yaml

from e2e.cluster import Namespace
from e2e.drivers import started, told
from e2e.faulty_proxy import FaultyProxy
from e2e.traffic import Traffic
from tests.browser import browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

RELEASE = ("--percentage", "50", "--warm-up", "1s", "--min-duration", "2s", "--interval", "500ms")
BETTER = ("--image", "sampleapp:20", "--tolerance", "0.05", *RELEASE)
WORSE = ("--image", "sampleapp:5", "--tolerance", "0.01", *RELEASE)
CONSOLE = ("console", "--no-open")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started_one:
        yield started_one


@pytest.fixture
def window(chromium: Browser) -> Iterator[Callable[[str], Page]]:
    """Give windows, each of a person with a browser of their own."""
    contexts = []

    def opened(address: str) -> Page:
        contexts.append(chromium.new_context())
        contexts[-1].set_default_timeout(60_000)
        page = contexts[-1].new_page()
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def traffic(stable: Namespace) -> Iterator[Namespace]:
    """Give a namespace with load on its stable version."""
    with Traffic(stable):
        yield stable


def address_of(driver: subprocess.Popen[str]) -> str:
    """Return the address that a console prints."""
    return told(driver, "http://127.0.0.1:").split()[-1]


def says(page: Page, selector: str, words: str) -> None:
    """Wait until an element says these words."""
    page.locator(selector).filter(has_text=words).first.wait_for()


def test_a_release_is_promoted_by_clicking_although_the_page_is_reloaded_in_the_middle(
    traffic: Namespace, manifests: Path, window: Callable[[str], Page]
) -> None:
    with started(traffic, "release", str(manifests), *BETTER, "--gate", "console") as release:
        page = window(address_of(release))
        says(page, "h1", "sampleapp:20")
        page.reload()
        says(page, ".word", "PROMOTE")
        says(page, "#choice-promote", "replace 2 stable pods with sampleapp:20")
        page.get_by_role("button", name="Promote").click()
        says(page, "#said", "Done: Recorded: promote sampleapp.")
        says(page, "h1", "sampleapp:20 was promoted")
        says(page, ".happenings", "promoted")
        _, err = release.communicate(timeout=120)
    assert release.returncode == 0, err
    assert traffic.images("sampleapp") == ["sampleapp:20"]
    assert traffic.images("sampleapp-canary") is None


def test_a_console_may_die_and_of_two_people_at_the_next_one_the_first_one_decides(
    traffic: Namespace, manifests: Path, window: Callable[[str], Page]
) -> None:
    with started(traffic, "release", str(manifests), *BETTER, "--gate", "manual") as release:
        with started(traffic, *CONSOLE) as console:
            page = window(address_of(console))
            page.get_by_role("button", name="Reject").wait_for()
            console.kill()  # it takes no release with it
        says(page, "#gone", "The console does not answer, since")
        assert release.poll() is None
        with started(traffic, *CONSOLE) as console:
            address = address_of(console)
            ada, bob = window(address), window(address)
            for each in (ada, bob):
                each.get_by_role("button", name="Reject").wait_for()
            ada.get_by_role("button", name="Reject").click(no_wait_after=True)
            bob.get_by_role("button", name="Promote").click()
            said = [each.locator("#said b").inner_text() for each in (ada, bob)]
            _, err = release.communicate(timeout=120)
            says(ada, "h1", "sampleapp:20 was promoted" if said[1] == "Done:" else "rejected")
    assert sorted(said) == ["Done:", "Not done:"]
    rejected = said[0] == "Done:"
    assert release.returncode == (1 if rejected else 0), err
    assert traffic.images("sampleapp") == ["sampleapp:10" if rejected else "sampleapp:20"]
    assert traffic.images("sampleapp-canary") is None


def test_a_worse_version_is_promoted_only_once_the_name_of_the_release_is_typed(
    traffic: Namespace, manifests: Path, window: Callable[[str], Page]
) -> None:
    traffic.canary("apply", str(manifests), "--image", "sampleapp:20")
    with started(traffic, "release", str(manifests), *WORSE, "--gate", "console") as release:
        page = window(address_of(release))
        says(page, ".word", "REJECT")
        page.locator("#choice-promote summary").click()
        says(page, "#choice-promote", "This promotes against the verdict")
        page.locator("#typed-promote").fill("yes")
        page.get_by_role("button", name="Promote sampleapp").click()
        says(page, "#said", "Not done: This promotes against the verdict, and stable records that. To confirm, type")
        assert release.poll() is None
        page.locator("#choice-promote summary").click()
        page.locator("#typed-promote").fill("sampleapp")
        page.get_by_role("button", name="Promote sampleapp").click()
        says(page, "#said", "Done: Recorded: promote sampleapp.")
        _, err = release.communicate(timeout=120)
    assert release.returncode == 0, err
    assert "(verdict: REJECT, " in err
    assert traffic.images("sampleapp") == ["sampleapp:5"]


def test_while_the_api_server_is_gone_the_page_says_so_and_then_goes_on(
    stable: Namespace, manifests: Path, window: Callable[[str], Page]
) -> None:
    stable.canary("deploy", str(manifests), "--image", "sampleapp:20", "--percentage", "50")
    config = yaml.safe_load(stable.kubeconfig.read_text())
    cluster = config["clusters"][0]["cluster"]
    proxy = FaultyProxy(cluster["server"])
    cluster["tls-server-name"] = urlsplit(cluster["server"]).hostname
    cluster["server"] = proxy.url
    kubeconfig = stable.folder / "through-the-proxy"
    kubeconfig.write_text(yaml.safe_dump(config))
    with started(replace(stable, kubeconfig=kubeconfig), *CONSOLE) as console:
        page = window(address_of(console))
        page.get_by_role("button", name="Reject").wait_for()
        proxy.cut()
        says(page, "main .banner", "The cluster cannot be read, so this is as of")
        assert page.locator("#gone").is_hidden()
        proxy.mend()
        page.locator("main .banner").wait_for(state="detached")
        page.get_by_role("button", name="Reject").click()
        says(page, "#said", "Done: Rejected sampleapp")
    proxy.close()
    assert stable.images("sampleapp-canary") is None
