"""A report's page in a real browser: light and dark, on a phone, on paper, and for a screen reader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from canary.errors import ExitCode
from canary.events import Decided, HandedOver, Judged, Promoted, Rejected, Undone
from canary.report.html import report_as_html
from canary.report.report import Report
from canary.verdict.tolerance import Multiple
from tests.canary.report.made_up import MadeUp, of_texts
from tests.canary.report.opened import opened, violations

if TYPE_CHECKING:
    from playwright.sync_api import Browser

LONG = "a-workload-with-a-name-that-is-as-long-as-kubernetes-allows-it"


def promoted() -> Report:
    made = MadeUp()
    made.deploy()
    made.tell(Judged(made.look(100)), Decided(promote=True, by="ada", reason="good"), Promoted("app", made.images))
    return made.report(next_=("return to app:1: canary rollback app", "try a new version: canary release manifests/"))


def rejected() -> Report:
    made = MadeUp({("app", "success"): 0.8})
    made.tell(Judged(made.look(40)), Decided(promote=False, by="auto"), Rejected("app", "by ada", (), "/nowhere"))
    return made.report(ExitCode.REJECTED)


def undecided() -> Report:
    made = MadeUp({("app", "success"): 0.95})
    made.look(12)
    return made.report(ExitCode.TIMED_OUT, "undecided: canary watch app")


def interrupted() -> Report:
    made = MadeUp()
    made.look(1)
    return made.report(ExitCode.INTERRUPTED, "interrupted. Canary and baseline are still running")


def failed() -> Report:
    return MadeUp({}).report(ExitCode.BUG, "KeyError: 'x'")


def first_release() -> Report:
    made = MadeUp({})
    made.tell(Promoted("app", ("app:1",)))
    return made.report()


def several() -> Report:
    names = [(workload, metric) for workload in (LONG, "app") for metric in ("success", "latency")]
    made = MadeUp(dict.fromkeys(names, 0.96), images=(f"registry.example/{LONG}:{'1' * 40}",))
    made.look(30)
    return made.report()


def relative() -> Report:
    made = MadeUp({("app", "success"): 0.9}, tolerance=Multiple(1.5))
    made.look(60)
    return made.report()


def handed_over() -> Report:
    made = MadeUp(command="promote")
    made.tell(HandedOver(("app",), promote=True, to="ada@laptop"))
    return made.report()


def undone() -> Report:
    made = MadeUp(command="promote")
    made.look(20)
    made.tell(Undone("app", "ErrImagePull"))
    return made.report(ExitCode.NOT_PROMOTED, "promote failed and was undone")


def nasty() -> Report:
    return of_texts("</title><script>document.title = 'attacked'</script>")


CASES: list[Callable[[], Report]] = [
    promoted, rejected, undecided, interrupted, failed, first_release, several, relative, handed_over, undone, nasty,
]  # fmt: skip


def page_of(case: Callable[[], Report], folder: Path) -> Path:
    file = folder / "report.html"
    file.write_text(report_as_html(case()), encoding="utf-8")
    return file


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_a_page_fits_a_desk_and_a_phone_and_asks_nobody_for_anything(
    case: Callable[[], Report], chromium: Browser, tmp_path: Path
) -> None:
    with opened(chromium, page_of(case, tmp_path)) as page:
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
            assert page.locator("h1").bounding_box()["y"] < 100  # type: ignore[index]
        assert page.evaluate("document.title") != "attacked"


@pytest.mark.parametrize("case", [promoted, rejected, failed, several], ids=lambda case: case.__name__)
def test_a_screen_reader_finds_its_way_and_colours_have_enough_contrast(
    case: Callable[[], Report], chromium: Browser, tmp_path: Path
) -> None:
    with opened(chromium, page_of(case, tmp_path), color_scheme="light" if case is several else "dark") as page:
        assert violations(page) == []


def test_the_policy_of_a_page_stops_what_got_into_it_all_the_same(chromium: Browser, tmp_path: Path) -> None:
    file = page_of(promoted, tmp_path)
    attacks = """
        <script>document.title = "attacked"</script>
        <img src="x" onerror="document.title = 'attacked'">
        <a id="bait" href="javascript:document.title = 'attacked'">bait</a>
        <p id="styled" style="color: rgb(1, 2, 3)">styled</p>
        <link rel="stylesheet" href="x.css">
        <iframe src="data:text/html,x"></iframe>
        <form id="form" action="x"></form>
    """
    file.write_text(file.read_text().replace("</main>", f"{attacks}</main>"))
    (tmp_path / "x.css").write_text("* { color: rgb(1, 2, 3) }")
    context = chromium.new_context()
    page, told = context.new_page(), []
    page.on("console", lambda said: told.append(said.text))
    page.goto(file.as_uri())
    page.locator("#bait").click()
    assert page.title() == "Promoted app to app:2"
    assert page.locator("#styled").evaluate("one => getComputedStyle(one).color") != "rgb(1, 2, 3)"
    assert page.url == file.as_uri()
    with page.expect_console_message(lambda said: "form-action" in said.text):
        page.evaluate("document.getElementById('form').submit()")
    kinds = ("script", "style", "img-src", "frame-src")
    assert [kind for kind in kinds if not any(kind in text for text in told)] == []
    context.close()


def test_colours_follow_the_reader_and_paper_is_white(chromium: Browser, tmp_path: Path) -> None:
    file = page_of(promoted, tmp_path)
    background = "getComputedStyle(document.body).backgroundColor"
    with opened(chromium, file, color_scheme="dark") as page:
        dark = page.evaluate(background)
        page.emulate_media(color_scheme="light")
        light = page.evaluate(background)
        page.emulate_media(media="print", color_scheme="dark")
        assert (page.evaluate(background), light) == ("rgb(255, 255, 255)", "rgb(255, 255, 255)")
        assert dark != light


def test_paper_shows_what_is_folded_on_a_screen(chromium: Browser, tmp_path: Path) -> None:
    file = page_of(promoted, tmp_path)
    with opened(chromium, file) as page:
        default = page.get_by_role("rowheader", name="min-duration")
        assert not default.is_visible()
        page.emulate_media(media="print")
        assert default.is_visible()


def test_a_phone_gets_a_funnel_of_its_width(chromium: Browser, tmp_path: Path) -> None:
    file = page_of(promoted, tmp_path)
    for width, kind in ((1280, "wide"), (390, "narrow")):
        with opened(chromium, file, viewport={"width": width, "height": 800}) as page:
            visible = [one for one in ("wide", "narrow") if page.locator(f"figure.{one}").first.is_visible()]
            assert visible == [kind]
