"""Text from elsewhere: it steers neither a terminal nor the agent of a pipeline."""

from __future__ import annotations

import pytest

from canary.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("answers\x1b[31m are\nslow", "answers [31m are slow"),
        ("slow ##vso[task.setvariable variable=a]b", "slow ## vso[task.setvariable variable=a]b"),
        ("###VSO[task.complete]##[error]x", "### VSO[task.complete]## [error]x"),
        ("#\x00#vso[task.complete]", "# #vso[task.complete]"),
        ("::stop-commands::x", ": :stop-commands::x"),
        ("\n \t::add-mask::x", "   : :add-mask::x"),
    ],
)
def test_control_characters_and_commands_to_an_agent_are_broken_by_a_blank(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize("text", ["::1", "a::b::c", "## heading", "see #12", "[::1]:80", "docker.io/a:1", "ä €", ""])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == text
