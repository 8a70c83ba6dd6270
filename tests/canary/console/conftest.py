"""Fixtures of the console's tests: one browser for each test process, and a console of made-up releases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.canary.console.fake_desk import FakeDesk
from tests.canary.console.serving import Console, serving
from tests.canary.console.states import STATES

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture
def desk() -> FakeDesk:
    """Give a desk at which a gate waits to promote."""
    return FakeDesk(STATES["promote"]())


@pytest.fixture
def console(desk: FakeDesk) -> Iterator[Console]:
    """Give the console of that desk, and a client that has opened it. Its pages look again at once."""
    with serving(desk, poll=0.1) as served:
        yield served


@pytest.fixture
def window(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Give new windows, each of a browser without cookies. A window fails the test if its page causes an error."""
    contexts, errors = [], []

    def opened(address: str, **options: Any) -> Page:
        settings: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce"}
        context = chromium.new_context(**settings | options)
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if said.text.startswith("Refused to") else None)
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert errors == []
