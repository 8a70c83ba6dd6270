"""What a person sees on a terminal, and how it is compared with a page."""

from __future__ import annotations

import pytest

from scripts.workshop.screen import first_difference, looks_like, rendered


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("one\r\ntwo\r\n", "one\ntwo"),
        ("\x1b[1mbold\x1b[0m \x1b[31mred\x1b[0m", "bold red"),
        ("0 of 4\r\x1b[2K4 of 4\r\n", "4 of 4"),
        ("first\r\nsecond\r\n\x1b[1A\x1b[2K\x1b[1A\x1b[2Kthird\r\n", "third"),
        ("\x1b[?25lhidden\x1b[?25h", "hidden"),
        ("long\rsh\x1b[K", "sh"),
    ],
)
def test_a_terminal_shows_what_is_left_after_colours_and_cursor_movements(written: str, seen: str) -> None:
    assert rendered(written) == seen


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ("sampleapp-x7f2-abc   Running", "sampleapp-… Running"),
        ("good 19.4 %", "good 4.6 %"),
        ("−8.9 points", "−12.5 points"),
        ("4 pods ready after 2 s", "4 pods ready after 1.6 s"),
        ("AGE\n4m9s", "AGE\n2s"),
        ("PROMOTE after 0:11", "PROMOTE after 1:40"),
        ("a\nb\nc\nd", "a\n…\nd"),
        ("a\nd", "a\n…\nd"),
        ("much\nbefore\nend", "…\nend"),
        ("a sentence\nthat is broken", "a sentence that\nis broken"),
        ("", ""),
    ],
)
def test_what_differs_from_run_to_run_may_be_another(seen: str, expected: str) -> None:
    assert looks_like(seen, expected)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ("sampleapp:20", "sampleapp:10"),
        ("−8.9 points", "+12.5 points"),
        ("+8.9 points", "−12.5 points"),
        ("−8.9 points", "12.5 points"),
        ("3/4", "4/4"),
        ("exit code 0", "exit code 1"),
        ("error\nexit code 1", "exit code 1"),
        ("exit code 1\nerror", "exit code 1"),
        ("verdict REJECT", "verdict PROMOTE"),
        ("output", ""),
    ],
)
def test_anything_else_is_a_difference(seen: str, expected: str) -> None:
    assert not looks_like(seen, expected)


def test_in_a_narrow_terminal_a_line_may_be_broken_where_the_page_has_dots() -> None:
    seen, expected = "verdict PROMOTE: canary\n20 % good vs baseline", "verdict PROMOTE: … baseline"
    assert looks_like(seen, expected, is_broken=True)
    assert not looks_like(seen, expected)


def test_the_first_line_of_the_page_that_is_not_to_be_seen_is_named() -> None:
    assert first_difference("a\nx\nc", "a\nb\nc") == "b"
    assert first_difference("a\nb", "a\n…\nb\nc") == "c"
    assert first_difference("a\nb\nmore", "a\nb") == ""
