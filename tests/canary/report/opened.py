"""A report's page, opened in a browser as from an artifact of a pipeline: from the disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@contextmanager
def opened(browser: Browser, file: Path, **options: Any) -> Iterator[Page]:
    """Open a page. Fail if it causes a message on the console, an error, or a request for anything but itself."""
    context = browser.new_context(**options)
    page, wrong = context.new_page(), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text))
    page.on("request", lambda request: wrong.append(request.url) if request.url != file.resolve().as_uri() else None)
    page.goto(file.resolve().as_uri())
    yield page
    context.close()
    assert wrong == []


def violations(page: Page) -> list[str]:
    """Return what axe-core finds on a page, with the element of each finding."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [f"{one['id']} ({one['impact']}): {node['html']}" for one in found for node in one["nodes"]]
