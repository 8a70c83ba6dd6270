"""Asks a person what a new canary.yml needs and a running app does not show."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import click

from canary.doctor.discovery import Exposed
from canary.errors import InputError
from canary.printable import printable
from canary.settings.resolution import Resolved
from canary.settings.settings import SETTINGS
from canary.verdict.request_counters import RequestCounter
from canary.verdict.selector import Selector

TOLERANCE = """
How much worse than the running version may a new version be, and still be promoted? There is no default, because
only you can say. Two forms are possible:
  0.01   up to 1 more bad answer per 100 requests (a share of all requests)
  1.5x   up to 1.5 times the bad answers (a multiple of the running version's)
A smaller tolerance needs more requests before a verdict."""

SELECTOR = "a counter, with labels if needed, such as http_requests_total"
COUNTERS = """
A release compares two counters of your app: all requests, and the good ones among them. Write them as in PromQL, such
as http_requests_total and http_requests_total{code!~"5.."}."""


@dataclass(frozen=True)
class Answers:
    """What a new canary.yml says.

    Attributes:
        tolerance: as a user writes it.
        total: selector of all requests.
        good: selector of good requests.
        counter: the counter that was found and is used; None if a person named others.
    """

    tolerance: str
    total: str
    good: str
    counter: RequestCounter | None


class Interview:
    """Asks at the terminal for what was neither given nor found."""

    def __init__(self, resolved: Resolved, exposed: Exposed) -> None:
        """Ask about an app with these given settings that exposes this."""
        self._resolved = resolved
        self._exposed = exposed
        self._can_ask = bool(sys.stdin and sys.stdin.isatty())

    def answers(self) -> Answers:
        """Return all answers.

        Raises:
            InputError: there is no terminal to ask at; the message names the missing flags.
        """
        self._require_terminal()
        counter, total, good = self._counters()
        tolerance = self._given("tolerance") or self._ask_tolerance(counter)
        return Answers(tolerance, total, good, counter)

    def _given(self, name: str) -> str:
        return "" if self._resolved.sources[name] == "default" else self._resolved.show(name)

    def _require_terminal(self) -> None:
        if self._can_ask:
            return
        missing = []
        if not self._given("tolerance"):
            missing.append("--tolerance (how much worse a new version may be: 0.01 for one point, or 1.5x)")
        if self._known_counters(self._exposed.requests[0] if self._exposed.requests else None) is None:
            missing += [
                f"--{name} (a counter such as {example})"
                for name, example in (("total", "http_requests_total"), ("good", 'http_requests_total{code!~"5.."}'))
                if not self._given(name)
            ]
        if missing:
            raise InputError(f"without a terminal, canary init cannot ask. Pass {' and '.join(missing)}")

    def _counters(self) -> tuple[RequestCounter | None, str, str]:
        """Return the counter that was found, and the selectors of all and of good requests."""
        found = self._chosen()
        known = self._known_counters(found)
        if known is not None:
            return known
        click.echo(COUNTERS, err=True)
        if self._exposed.counters:
            click.echo(printable(f"Your app has: {', '.join(self._exposed.counters)}"), err=True)
        suggested = str(found.total) if found else None
        total = self._given("total") or self._ask("Counter of all requests", suggested, _selector, SELECTOR)
        good = self._given("good") or self._ask("Counter of good requests", None, _selector, SELECTOR)
        return None, total, good

    def _known_counters(self, found: RequestCounter | None) -> tuple[RequestCounter | None, str, str] | None:
        """Return them as far as nobody must be asked, None if somebody must."""
        total, good = self._given("total"), self._given("good")
        if total and good:
            return None, total, good
        if found and not total and not good:
            return found, str(found.total), str(found.good)
        if found and total and not good and Selector.parse(total).name == found.total.name:
            return found, total, str(Selector(found.good.name, (*Selector.parse(total).matchers, *found.good.matchers)))
        return None

    def _chosen(self) -> RequestCounter | None:
        """Return the counter of requests to use: the only one, or the one that a person chooses."""
        found = self._exposed.requests
        if len(found) < 2 or not self._can_ask or (self._given("total") and self._given("good")):
            return found[0] if found else None
        click.echo("\nYour app has several counters that tell good requests from bad ones:", err=True)
        for number, one in enumerate(found, 1):
            click.echo(
                printable(f"  {number}  {one.good}   ({one.was_good:,.0f} of {one.counted:,.0f} good)"), err=True
            )
        chosen: int = click.prompt(
            "Which one counts your users' requests", 1, type=click.IntRange(1, len(found)), err=True
        )
        return found[chosen - 1]

    def _ask_tolerance(self, counter: RequestCounter | None) -> str:
        click.echo(TOLERANCE, err=True)
        if counter and counter.counted:
            click.echo(
                f"The running version: {counter.counted:,.0f} requests so far, {counter.percent_good:.4g} % good.",
                err=True,
            )
        setting = SETTINGS["tolerance"]
        requirement = setting.value_type.requirement
        return self._ask("Tolerance", None, lambda text: setting.show(setting.value_type.read_text(text)), requirement)

    def _ask(self, question: str, default: str | None, read: Callable[[str], str], requirement: str) -> str:
        """Ask until the answer is valid; `requirement` says what it must be."""

        def checked(text: str) -> str:
            try:
                return read(text.strip())
            except (InputError, ValueError) as error:
                why = str(error) if isinstance(error, InputError) else f"must be {requirement}"
                raise click.BadParameter(why) from error

        answer: str = click.prompt(question, default, value_proc=checked, err=True)
        return answer


def _selector(text: str) -> str:
    return str(Selector.parse(text))
