"""The pages of the console: one release at a glance, its buttons, and past reports."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from canary.chart.points import PointsSoFar
from canary.chart.style import css
from canary.console import view
from canary.console.latest import Latest, Seen
from canary.console.past_reports import past_reports
from canary.console.pictures import pictures
from canary.console.security import REPORT_CONTENT_SECURITY_POLICY, Access, guard
from canary.errors import CanaryError, InputError
from canary.release.overview import Action, Overview
from canary.report.past import HTML, JSON, MARKDOWN
from canary.times import local_time, readable, timestamp

if TYPE_CHECKING:
    from flask import Flask, Response

POLL = 2.0
"""Seconds between two looks of a page at the release."""

SLOW_POLLS = 3
"""Polls without an answer of the cluster after which a page says so."""

MOST_SAID = 64
"""Answers to buttons that are kept until a page shows them."""


class Desk(Protocol):
    """What a person at the console sees, and can do."""

    def overview(self) -> Overview:
        """Return the releases as they are now.

        Raises:
            CanaryError: the cluster cannot be read.
        """

    def act(self, workload: str, action: Action, *, by: str, typed: str, reason: str) -> str:
        """Do what a button says, and return what was done, in a sentence.

        Args:
            workload: on which.
            action: which button.
            by: who pressed it.
            typed: the name of the release, where the button asks for it.
            reason: why, empty if the person gives none.

        Raises:
            CanaryError: it was not done. The message says why.
        """


@dataclass(frozen=True)
class Said:
    """The answer to a button.

    Attributes:
        done: whether it was done.
        text: what was done, or why it was not.
    """

    done: bool
    text: str


def make_app(desk: Desk, *, access: Access, reports: Path | None, person: str, poll: float = POLL) -> Flask:
    """Return the console.

    Args:
        desk: what it shows and does.
        access: who may use it.
        reports: folder of reports, None if it shows none.
        person: who presses its buttons, if no proxy says that.
        poll: seconds between two looks of a page.
    """
    from flask import Flask, make_response, redirect, render_template, request, url_for  # noqa: PLC0415 - `canary --help` must not load Flask

    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 16 * 1024
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters |= {"local_time": local_time, "readable": readable, "timestamp": timestamp}
    app.jinja_env.globals |= {"view": view, "person": person, "has_reports": reports is not None}
    latest = Latest(desk.overview, slow=SLOW_POLLS * poll)
    said: OrderedDict[str, Said] = OrderedDict()

    def refuse(status: int, what: str, todo: str) -> Response:
        return make_response(
            render_template("message.html", what=what, todo=todo, known=status not in (401, 421)), status
        )

    guard(app, access, refuse)
    drawn = _Drawn(lambda values: render_template("_release.html", form_token=access.form_token, **values))

    @app.get("/")
    def release() -> str:
        seen = latest.read()
        page = drawn.page(seen, request.args.get("workload", ""), request.args.get("metric", ""))
        answer = said.get(request.args.get("said", ""))
        at = seen.overview.at if seen.overview else None
        who = access.known_person(request.headers, person)
        return render_template(
            "release.html", page=page, digest=_digest(page), said=answer, at=at, poll=poll, seen=seen, who=who
        )

    @app.get("/live")
    def live() -> Response:
        page = drawn.page(latest.read(), request.args.get("workload", ""), request.args.get("metric", ""))
        response = make_response(page)
        response.set_etag(_digest(page))
        response.make_conditional(request)
        return response

    @app.post("/decide")
    def decide() -> Response:
        workload = request.form.get("workload", "")
        try:
            answer = Said(
                done=True, text=_act(desk, latest.read(), request.form, access.person(request.headers, person))
            )
        except CanaryError as error:
            answer = Said(done=False, text=str(error))
        key = secrets.token_urlsafe(8)
        said[key] = answer
        while len(said) > MOST_SAID:
            said.popitem(last=False)
        place = url_for("release", workload=workload, metric=request.form.get("metric") or None, said=key)
        return make_response(redirect(place, 303))

    @app.get("/chart.css")
    def chart_css() -> Response:
        return make_response(css(), {"Content-Type": "text/css; charset=utf-8"})

    @app.get("/reports")
    def past() -> str | Response:
        if reports is None:
            return refuse(404, "This console shows no reports", "To list them, start it with --reports FOLDER.")
        return render_template("reports.html", past=past_reports(reports))

    @app.get("/reports/<path:name>/")
    @app.get(f"/reports/<path:name>/<any({MARKDOWN!r}, {JSON!r}):file>")
    def report(name: str, file: str = HTML) -> Response:
        content = past_reports(reports).read(name, file) if reports else None
        if content is None:
            return refuse(404, f"There is no report {name}", "It may have been deleted. See the list of past reports.")
        kind = {HTML: "text/html", MARKDOWN: "text/plain", JSON: "application/json"}[file]
        headers = {
            "Content-Type": f"{kind}; charset=utf-8",
            "Content-Security-Policy": REPORT_CONTENT_SECURITY_POLICY,
        }
        return make_response(content, headers)

    @app.errorhandler(404)
    @app.errorhandler(405)
    def missing(_error: Exception) -> Response:
        return refuse(404, "There is no such page", "Go to the release.")

    @app.errorhandler(413)
    def too_large(_error: Exception) -> Response:
        return refuse(413, "The form is too large", "Nothing was done. Write a shorter reason.")

    @app.errorhandler(500)
    def bug(_error: Exception) -> Response:
        todo = "The release goes on without this page. Please report what the console has printed in its terminal."
        return refuse(500, "This is a bug in canary", todo)

    return app


class _Drawn:
    """The pages of the newest overview, each drawn once however many browsers ask for it."""

    def __init__(self, draw: Callable[[Mapping[str, Any]], str]) -> None:
        self._draw = draw
        self._of = Seen(None)
        self._pages: dict[tuple[str, str], str] = {}
        self._so_far: dict[tuple[str, str], PointsSoFar] = {}
        self._lock = threading.Lock()

    def page(self, seen: Seen, workload: str, metric: str) -> str:
        """Return the part of the page that changes, of a workload and a metric; the worst ones for unknown names."""
        one = view.named_workload(seen.overview, workload)
        picked = view.named_metric(one, metric)
        names = one.status.name if one else "", picked.comparison.metric if picked else ""
        with self._lock:
            pages = self._pages if seen.overview is self._of.overview and seen.problem == self._of.problem else {}
            if names not in pages:
                so_far = self._so_far.setdefault(names, PointsSoFar())
                beside = view.has_list(seen.overview, one)
                drawn = pictures(one, picked, so_far, beside=beside) if one and picked else None
                pages[names] = self._draw(
                    {"seen": seen, "one": one, "picked": picked, "pictures": drawn, "beside": beside}
                )
            self._of, self._pages = seen, pages
            return pages[names]


def _act(desk: Desk, seen: Seen, form: Mapping[str, str], by: str) -> str:
    """Do what a form says, and return what was done.

    Raises:
        CanaryError: it was not done.
    """
    workload, action = form.get("workload", ""), form.get("action", "")
    if action not in {known.value for known in Action}:
        raise InputError(f"there is no action {action!r}; press one of the buttons")
    one = view.named_workload(seen.overview, workload)
    if one is None or one.status.name != workload or view.mark(one) != form.get("release"):
        raise InputError(
            f"since this page was shown, the release of {workload} has ended or another one has "
            "begun. The page shows it as it is now"
        )
    typed = form.get(f"typed-{action}", "").strip()
    return desk.act(workload, Action(action), by=by, typed=typed, reason=form.get("reason", "").strip())


def _digest(page: str) -> str:
    return hashlib.sha256(page.encode()).hexdigest()[:32]
