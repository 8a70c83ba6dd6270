"""Earlier reports: another run moves them to past/, and loses none of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from canary.report.folder import require_writable
from canary.report.past import KEPT
from tests.canary.report.killed_drivers import STEPS, leave

FILES = {"report.json", "report.md", "report.html"}


def kept(place: Path) -> dict[str, str]:
    """Return the JSON of each earlier report."""
    return {one.parent.name: one.read_text() for one in sorted(place.glob("past/[!.]*/report.json"))}


def test_a_first_report_has_no_past(tmp_path: Path) -> None:
    leave(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == FILES


def test_the_three_files_of_an_earlier_report_move_to_a_folder_named_after_it(tmp_path: Path) -> None:
    first = leave(tmp_path)
    page = (tmp_path / "report.html").read_bytes()
    second = leave(tmp_path, 3600, "watch")
    assert kept(tmp_path) == {"20270115T080000Z-release-failed": first}
    earlier = tmp_path / "past/20270115T080000Z-release-failed"
    assert {file.name for file in earlier.iterdir()} == FILES
    assert (earlier / "report.html").read_bytes() == page
    assert (tmp_path / "report.json").read_text() == second


def test_two_runs_of_the_same_second_are_both_kept(tmp_path: Path) -> None:
    first = leave(tmp_path)
    leave(tmp_path, error="another")
    second = (tmp_path / "report.json").read_text()
    leave(tmp_path, 1)
    assert kept(tmp_path) == {"20270115T080000Z-release-failed": first, "20270115T080000Z-release-failed-2": second}


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "",
        "no JSON",
        "[" * 100_000,
        '{"began": 5}',
        '{"began": "2027-01-15T08:00:00Z"}',
        '{"command": "watch", "outcome": "watched", "began": "9999-12-31T23:59:59-12:00"}',
    ],
    ids=range(7),
)
def test_a_report_that_cannot_be_read_is_kept_under_the_time_of_its_file(text: str, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(text)
    os.utime(tmp_path / "report.json", (1_800_000_000, 1_800_000_000))
    leave(tmp_path)
    assert kept(tmp_path) == {"20270115T080000Z-unreadable": text}


def test_the_fifty_newest_stay(tmp_path: Path) -> None:
    for n in range(60):
        (tmp_path / f"past/202601{n // 24 + 1:02}T{n % 24:02}0000Z-watch-watched").mkdir(parents=True)
    (tmp_path / "past/mine").mkdir()
    leave(tmp_path)
    names = sorted(one.name for one in (tmp_path / "past").iterdir())
    assert len(names) == KEPT + 1
    assert (names[0], names[-1]) == ("20260101T100000Z-watch-watched", "mine")


def test_commands_that_begin_and_end_together_in_one_folder_lose_no_report(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:  # threads have one process number, like drivers in containers of their own
        ends = [pool.submit(leave, tmp_path, at) for at in range(24)]
        while not all(one.done() for one in ends):
            require_writable(tmp_path, "--report")  # as each command does that begins
    for one in ends:
        one.result()
    found = [*kept(tmp_path).values(), (tmp_path / "report.json").read_text()]
    assert len({json.loads(text)["began"] for text in found}) == len(found) == 24
    title = (tmp_path / "report.html").read_text().partition("Began</dt><dd>")[2][:19]
    assert title == json.loads(found[-1])["began"][:19].replace("T", " ")


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """Give folders with two reports each, where a third driver was killed at every step of writing another one."""
    place = tmp_path_factory.mktemp("killed")
    subprocess.run([sys.executable, "-m", "tests.canary.report.killed_drivers", place], cwd=repository, check=True)
    return place


@pytest.mark.parametrize("step", STEPS)
def test_a_driver_that_is_killed_loses_no_earlier_report(step: str, killed: Path) -> None:
    places = sorted(killed.glob(f"{step}-*"))
    assert places
    for place in places:
        found = [*kept(place).values(), (place / "report.json").read_text()]
        assert {json.loads(text)["began"][-3:] for text in found} >= {"00Z", "01Z"}
        leave(place, 3)
        found = [*kept(place).values(), (place / "report.json").read_text()]
        assert {json.loads(text)["began"][-3:] for text in found} >= {"00Z", "01Z", "03Z"}
        assert len(set(found)) == len(found)  # none of them twice
        for one in place.glob("past/*"):
            assert json.loads((one / "report.json").read_text())["began"][-3:-1] == one.name[13:15]
        assert {file.name for file in place.iterdir() if not file.name.startswith(".")} == {*FILES, "past"}
