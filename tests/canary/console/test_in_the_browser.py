"""The pages in a real browser. The releases are made up, so that each state is there when a test wants it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from canary.console.security import Access
from canary.release.overview import Action, Happening
from tests.canary.console.fake_desk import FakeDesk
from tests.canary.console.made_up_reports import leave_reports
from tests.canary.console.overviews import BEGAN
from tests.canary.console.serving import Console, serving
from tests.canary.console.states import GONE, STATES

pytest.importorskip("playwright", reason="the package playwright is not installed")

if TYPE_CHECKING:
    from playwright.sync_api import Page

Window = Callable[..., "Page"]


AXE = """async (options) => (await axe.run({exclude: [["svg"]]}, options)).violations
  .filter((one) => ["serious", "critical"].includes(one.impact))
  .flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.target}: ${node.failureSummary}`))"""
"""Returns the serious findings of axe-core. It cannot judge the texts of pictures."""


def free_port() -> int:
    """Return a port that a console can have again after a restart."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
    return port


def expect_text(page: Page, selector: str, words: str) -> None:
    """Wait until an element says these words."""
    page.locator(selector).filter(has_text=words).first.wait_for()


def test_the_address_in_the_bar_has_no_token_and_scripts_cannot_read_the_cookie(
    console: Console, window: Window
) -> None:
    page = window(console.address)
    assert page.url == f"{console.base}/"
    assert page.evaluate("document.cookie") == ""
    assert page.title() == "PROMOTE: sampleapp · Canary Lab"


def test_no_request_goes_to_another_host(console: Console, desk: FakeDesk, window: Window) -> None:
    page = window("about:blank")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(console.address)
    desk.shown = STATES["reject"]()
    expect_text(page, "h1", "worse")
    assert len(asked) > 4
    assert {urlsplit(url).netloc for url in asked} == {urlsplit(console.base).netloc}


def has_a_usual_font() -> bool:
    """Return whether a font that the page names is installed; DejaVu Sans, the last resort, is wider."""
    if not shutil.which("fc-match"):
        return True
    named = "Roboto,Ubuntu,Cantarell,Noto Sans,Liberation Sans,Arial"
    return "DejaVu" not in subprocess.run(["fc-match", named], capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(not has_a_usual_font(), reason="DejaVu Sans is too wide for one screen: install fonts-liberation")
def test_everything_is_on_one_screen(console: Console, desk: FakeDesk, window: Window) -> None:
    page = window(console.address, viewport={"width": 1280, "height": 800})
    heights = {}
    for state in STATES:
        if state not in ("long-names", "twenty-pods"):
            desk.shown = STATES[state]()
            page.goto(console.base)
            heights[state] = page.evaluate("document.documentElement.scrollHeight")
    assert {state: height for state, height in heights.items() if height > 800} == {}


def test_no_page_is_wider_than_any_screen(console: Console, desk: FakeDesk, window: Window) -> None:
    page = window(console.address)
    found = {}
    for state in STATES:
        desk.shown = STATES[state]()
        page.goto(console.base)
        for width in (320, 390, 768, 1280, 1920):
            page.set_viewport_size({"width": width, "height": 800})
            found[f"{state}, {width}"] = page.evaluate("document.documentElement.scrollWidth") <= width
    assert [name for name, fits in found.items() if not fits] == []


def test_on_a_phone_the_buttons_are_on_the_first_two_screens(console: Console, desk: FakeDesk, window: Window) -> None:
    for state in ("promote", "reject", "ten-metrics", "several-workloads"):
        desk.shown = STATES[state]()
        page = window(console.address, viewport={"width": 390, "height": 844})
        box = page.get_by_role("button", name="Reject").bounding_box()
        assert box
        assert box["y"] < 844, state
        assert box["height"] >= 36


def test_a_change_appears_and_nothing_that_a_person_does_is_lost(
    console: Console, desk: FakeDesk, window: Window
) -> None:
    desk.shown = STATES["reject"]()
    page = window(console.address, viewport={"width": 1280, "height": 500})
    page.locator("#choice-promote summary").click()
    page.locator("#variant-canary summary").click()
    page.locator("#reason").fill("not now")
    page.locator("#typed-promote").press_sequentially("sample")
    page.evaluate("scrollTo(0, 150)")
    workload = desk.shown.workloads[0]
    news = (Happening(BEGAN + 300, "something new happened"), *workload.happenings)
    desk.shown = replace(desk.shown, workloads=(replace(workload, happenings=news, headline="It is worse still"),))
    expect_text(page, ".happenings", "something new happened")
    expect_text(page, "h1", "It is worse still")
    page.keyboard.type("app")  # goes on in the field that has the focus
    assert page.locator("#typed-promote").input_value() == "sampleapp"
    assert page.locator("#reason").input_value() == "not now"
    assert page.locator("#choice-promote details").get_attribute("open") is not None
    assert page.locator("#variant-canary details").get_attribute("open") is not None
    assert page.evaluate("scrollY") == 150


def test_a_screen_reader_is_told_of_a_new_decision_and_of_nothing_else(
    console: Console, desk: FakeDesk, window: Window
) -> None:
    desk.shown = STATES["undecided"]()
    page = window(console.address)
    expect_text(page, "h1", "No clear difference")
    workload = desk.shown.workloads[0]
    desk.shown = replace(desk.shown, workloads=(replace(workload, headline="Still not known"),))
    expect_text(page, "h1", "Still not known")
    assert page.get_by_role("status").inner_text() == ""
    desk.shown = STATES["reject"]()
    expect_text(page, "#spoken", "sampleapp: verdict REJECT; a driver waits for a decision.")
    assert page.title() == "REJECT: sampleapp · Canary Lab"


def test_a_console_that_is_gone_is_told_and_the_page_recovers_by_itself(desk: FakeDesk, window: Window) -> None:
    access, port = Access(), free_port()
    with serving(desk, access=access, poll=0.1, port=port) as console:
        page = window(console.address)
        expect_text(page, "#pulse", "live")
    expect_text(page, "#gone", "The console does not answer, since ")
    assert "The release goes on without this page" in page.locator("#gone").inner_text()
    assert page.locator("#pulse").is_hidden()
    desk.shown = STATES["reject"]()
    with serving(desk, access=access, poll=0.1, port=port):
        expect_text(page, "h1", "worse")
        page.locator("#gone").wait_for(state="hidden")


def test_after_a_restart_with_a_new_token_the_page_says_what_to_open(desk: FakeDesk, window: Window) -> None:
    port = free_port()
    with serving(desk, poll=0.1, port=port) as console:
        page = window(console.address)
    with serving(desk, poll=0.1, port=port) as again:
        expect_text(page, "h1", "The console does not know this browser")
        page.goto(again.address)
        expect_text(page, "h1", "as good as")


def test_a_cluster_that_is_gone_is_told_without_a_reload(console: Console, desk: FakeDesk, window: Window) -> None:
    page = window(console.address)
    desk.problem = GONE
    expect_text(page, "main .banner", "The cluster cannot be read, so this is as of")
    desk.problem = None
    page.locator("main .banner").wait_for(state="detached")


def test_a_button_is_pressed_and_a_reload_does_not_press_it_again(
    console: Console, desk: FakeDesk, window: Window
) -> None:
    page = window(console.address)
    page.locator("#reason").fill("looks fine")
    page.get_by_role("button", name="Promote").click()
    expect_text(page, "#said", "Done: ada pressed promote")
    assert page.evaluate("document.activeElement.id") == "said"
    assert "said" not in page.url
    page.reload()
    expect_text(page, "h1", "as good as")
    assert desk.acts == [("sampleapp", Action.PROMOTE, "ada", "", "looks fine")]


def test_a_button_that_takes_long_says_so_and_cannot_be_pressed_twice(
    console: Console, desk: FakeDesk, window: Window
) -> None:
    desk.done = threading.Event()
    page = window(console.address)
    label = page.evaluate(  # in one go: Playwright waits for a page that is about to be left
        """async () => {
          const button = document.querySelector("#choice-reject button");
          button.click();
          while (!button.disabled) await new Promise((resolve) => setTimeout(resolve, 10));
          button.click();
          return button.textContent;
        }"""
    )
    assert label == "Working…"
    desk.done.set()
    expect_text(page, "#said", "Done: ada pressed reject")
    assert len(desk.acts) == 1


def test_enter_in_a_field_presses_no_button(console: Console, desk: FakeDesk, window: Window) -> None:
    desk.shown = STATES["reject"]()
    page = window(console.address)
    page.locator("#reason").press("Enter")
    page.locator("#choice-promote summary").click()
    page.locator("#typed-promote").fill("sampleapp")
    page.locator("#typed-promote").press("Enter")
    page.get_by_role("button", name="Keep watching").click()
    expect_text(page, "#said", "Done: ada pressed watch")
    assert [action for _, action, *_ in desk.acts] == [Action.WATCH]


def test_without_a_mouse_a_person_promotes_against_the_verdict(
    console: Console, desk: FakeDesk, window: Window
) -> None:
    desk.shown = STATES["reject"]()
    page = window(console.address)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert (page.evaluate("document.activeElement.innerText.split('\\n')[0]"), outline) == ("Promote…", "solid")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("sampleapp")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect_text(page, "#said", "Done: ada pressed promote")
    assert desk.acts == [("sampleapp", Action.PROMOTE, "ada", "sampleapp", "")]


def test_without_script_the_page_has_a_link_to_reload_and_buttons_that_work(
    console: Console, desk: FakeDesk, window: Window
) -> None:
    desk.shown = STATES["reject"]()
    page = window(console.address, java_script_enabled=False)
    assert page.get_by_text("Copy").count() == 0
    page.get_by_text("Reload").click()
    page.locator("#choice-promote summary").click()
    page.locator("#typed-promote").fill("sampleapp")
    page.get_by_role("button", name="Promote sampleapp").click()
    expect_text(page, "#said", "Done: ada pressed promote")
    assert desk.acts == [("sampleapp", Action.PROMOTE, "ada", "sampleapp", "")]


def test_a_command_is_copied(console: Console, desk: FakeDesk, window: Window) -> None:
    desk.shown = STATES["left"]()
    page = window(console.address, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").first.click()
    expect_text(page, ".copy", "Copied")
    assert page.evaluate("navigator.clipboard.readText()").startswith("canary promote manifests/")


def test_markup_of_the_cluster_runs_nowhere(console: Console, desk: FakeDesk, window: Window) -> None:
    page = window("about:blank")
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    page.goto(console.address)
    desk.shown = STATES["markup"]()
    expect_text(page, "h1", "<script>alert(1)</script>")
    assert page.locator("main img, main script").count() == 0
    assert dialogs == []


def test_no_other_site_can_frame_the_console_or_send_its_forms(
    console: Console, desk: FakeDesk, window: Window, tmp_path: Path
) -> None:
    page = window(console.address)
    form = "".join(f'<input name="{name}" value="{value}">' for name, value in console.form().items())
    attack = tmp_path / "attack.html"
    attack.write_text(
        f'<iframe src="{console.base}"></iframe><form method="post" action="{console.base}/decide">{form}'
        '<button name="action" value="reject">Win a prize</button></form>'
    )
    with page.expect_console_message(lambda said: "frame-ancestors 'none'" in said.text):
        page.goto(attack.as_uri())
    page.get_by_text("Win a prize").click()
    expect_text(page, "h1", "The console does not know this browser")  # it keeps the cookie to itself
    assert desk.acts == []


def test_a_report_runs_no_script_and_its_links_work(desk: FakeDesk, window: Window, tmp_path: Path) -> None:
    leave_reports(tmp_path)
    report = tmp_path / "report.html"
    report.write_text(report.read_text().replace("</body>", "<script>document.title = 'ran'</script></body>"))
    with serving(desk, reports=tmp_path) as console:
        page = window(console.address)
        page.get_by_role("link", name="Past reports").click()
        page.get_by_role("link", name="2027").first.click()
        page.locator("h1").wait_for()
        assert page.locator("script").count() == 1
        assert page.title() != "ran"
        assert page.evaluate("getComputedStyle(document.querySelector('svg.chart')).display") == "block"
        for link, begins in (("Markdown", "## "), ("JSON", "{")):
            page.get_by_role("link", name=link).click()
            page.locator("h1").wait_for(state="detached")
            assert page.locator("body").inner_text().startswith(begins)
            page.go_back()
            page.locator("h1").wait_for()


@pytest.mark.parametrize("state", [*STATES, "cluster-gone"])
def test_no_state_has_a_serious_finding_of_axe_in_light_and_dark(
    console: Console, desk: FakeDesk, window: Window, state: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    desk.shown = STATES.get(state, STATES["promote"])()
    console.get("/")
    desk.problem = GONE if state == "cluster-gone" else None
    page = window("about:blank")
    page.add_init_script(Axe().axe_script)
    page.goto(console.address)
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    found = page.evaluate(AXE, {"resultTypes": ["violations"]})
    page.emulate_media(color_scheme="dark")
    found += page.evaluate(AXE, {"runOnly": ["color-contrast"]})
    assert found == []
