"""Take pictures of the console in each of its states, on a desktop and on a phone, light and dark: `make screenshots`.

The states are made up (tests/canary/console/overviews.py), so that rare ones are among them. Look at every picture
after a change of the pages. Usage: make_screenshots.py FOLDER [STATE...]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tests.browser import browser
from tests.canary.console.fake_desk import FakeDesk
from tests.canary.console.serving import serving
from tests.canary.console.states import GONE, STATES

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def take(chromium: Browser, address: str, folder: Path, name: str, *, whole: bool = True) -> Iterator[Path]:
    """Take the pictures of a page, and yield the file of each: its name, the size and the colours.

    Args:
        chromium: the browser.
        address: of the console, with its token.
        folder: where they go.
        name: begins the name of each file.
        whole: whether the picture has all of the page, as far as it can be scrolled.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for size, (width, height) in SIZES.items():
        for scheme in SCHEMES:
            context = chromium.new_context(
                viewport={"width": width, "height": height}, color_scheme=scheme, device_scale_factor=1
            )
            page = context.new_page()
            page.goto(address)
            path = folder / f"{name}-{size}-{scheme}.png"
            page.screenshot(path=path, full_page=whole)
            context.close()
            yield path


@contextmanager
def _shown(state: str) -> Iterator[str]:
    desk = FakeDesk(STATES.get(state, STATES["promote"])())
    with serving(desk) as console:
        if state == "cluster-gone":
            console.get("/")
            desk.problem = GONE
        yield console.address


def main(arguments: list[str]) -> None:
    """Take the pictures of the states that are asked for, or of all."""
    folder, *states = arguments
    with browser() as chromium:
        for state in states or [*STATES, "cluster-gone"]:
            with _shown(state) as address:
                for path in take(chromium, address, Path(folder), state):
                    print(path)


if __name__ == "__main__":
    main(sys.argv[1:])
