"""A process knows whether another one has ended, and never takes a running one for ended."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from canary.cli.identity import ProcessIdentity


def test_an_ended_process_is_gone_and_a_running_one_is_not() -> None:
    us = ProcessIdentity()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as running:
        other = replace(us, number=running.pid)
        assert not us.is_gone(other.mark)
        assert running.stdin is not None
        running.stdin.close()
        running.wait()
        assert us.is_gone(other.mark)


def test_a_process_of_another_machine_is_never_known_to_be_gone() -> None:
    us = ProcessIdentity()
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    assert not us.is_gone(replace(us, place="elsewhere", number=ended.pid).mark)


def test_a_process_whose_number_is_now_ours_is_gone() -> None:
    assert ProcessIdentity().is_gone(ProcessIdentity().mark)
    assert ProcessIdentity().mark != ProcessIdentity().mark


def test_a_console_does_not_take_a_release_in_its_own_process_for_gone() -> None:
    assert not ProcessIdentity(is_alone=False).is_gone(ProcessIdentity().mark)


def test_a_process_that_we_may_not_signal_is_not_gone() -> None:
    us = ProcessIdentity()
    assert not us.is_gone(replace(us, number=1).mark)


@pytest.mark.parametrize("mark", ["", "x", "x y z", "-"])
def test_an_unknown_mark_is_not_gone(mark: str) -> None:
    assert not ProcessIdentity().is_gone(mark)


def test_the_name_has_user_host_and_number() -> None:
    assert ProcessIdentity().name.endswith(f", process {os.getpid()}")
    assert "@" in ProcessIdentity().name
