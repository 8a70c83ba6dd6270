"""Attacks on the console. Each fails."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
import requests

from canary.console.security import Access
from tests.canary.console.fake_desk import FakeDesk
from tests.canary.console.serving import Console, serving
from tests.canary.console.states import STATES


def test_without_the_token_nothing_is_shown(console: Console) -> None:
    for path in ("/", "/live", "/reports", "/?token=", "/?token=guessed"):
        answer = requests.get(f"{console.base}{path}", timeout=10)
        assert answer.status_code == 401
        assert "sampleapp" not in answer.text
        assert "Open the address that the console printed" in answer.text


def test_the_token_is_exchanged_for_a_cookie_and_an_address_without_it(console: Console) -> None:
    answer = requests.get(console.address, timeout=10, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    token, cookie = console.address.rpartition("=")[2], answer.headers["Set-Cookie"]
    assert token not in cookie
    assert re.search("; HttpOnly", cookie)
    assert re.search("; SameSite=Strict", cookie)
    assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_after_a_click_on_another_site_the_page_itself_goes_on_to_the_clean_address(console: Console) -> None:
    answer = requests.get(console.address, headers={"Sec-Fetch-Site": "cross-site"}, timeout=10)
    assert (answer.status_code, answer.headers["Refresh"]) == (200, "0; url=/")
    assert "Set-Cookie" in answer.headers


def test_each_console_has_a_token_of_its_own() -> None:
    assert Access().token != Access().token
    assert len(Access().token) >= 32
    assert Access().token not in repr(Access())


def test_the_cookie_is_of_one_port_because_browsers_share_cookies_between_ports(desk: FakeDesk) -> None:
    with serving(desk) as one, serving(desk) as other:
        one.open()
        other.open()
        (mine,), (its) = one.session.cookies.keys(), other.session.cookies.keys()
        assert mine not in its
        cookie = one.session.cookies.items()[0]
        answer = requests.get(other.base, cookies=dict([cookie]), timeout=10)
        assert answer.status_code == 401


@pytest.mark.parametrize("name", ["attacker.example", "127.0.0.1.attacker.example", "localhost.attacker.example", ""])
def test_a_name_that_is_pointed_at_this_machine_gets_no_page(console: Console, name: str) -> None:
    console.open()
    port = console.base.rpartition(":")[2]
    answer = console.get("/", Host=f"{name}:{port}" if name else "")
    assert answer.status_code in (400, 421)
    assert "sampleapp" not in answer.text


def test_localhost_and_the_names_of_the_access_are_addresses_of_the_console(desk: FakeDesk) -> None:
    access = Access(names=frozenset({"console.example.com", "*.internal"}))
    with serving(desk, access=access) as console:
        for host in ("localhost:1", "[::1]:1", "console.example.com", "CONSOLE.example.com:443", "a.internal"):
            assert console.get("/", Host=host).status_code == 200, host
        for host in ("example.com", "a.b.internal", "internal"):
            assert console.get("/", Host=host).status_code == 421, host


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://attacker.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Origin": "SELF", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "SELF", "Sec-Fetch-Site": "same-site"},
        {"Origin": "SELF", "Sec-Fetch-Site": "none"},
        {},
    ],
)
def test_a_form_of_another_site_does_nothing(console: Console, desk: FakeDesk, headers: dict[str, str]) -> None:
    sent = {name: value.replace("SELF", console.base) for name, value in headers.items()}
    answer = console.press("reject", headers=sent)
    assert answer.status_code == 403
    assert "Nothing was done" in answer.text
    assert desk.acts == []


def test_a_form_through_the_forwarded_port_of_a_codespace_is_accepted(console: Console, desk: FakeDesk) -> None:
    """GitHub's proxy writes the local address in Host and Origin, and its own in X-Forwarded-Host."""
    console.open()
    (cookie,) = console.session.cookies.items()
    local = f"localhost:{console.base.rpartition(':')[2]}"
    sent = {"Host": local, "Origin": f"http://{local}", "Sec-Fetch-Site": "same-origin", "Cookie": "=".join(cookie)}
    answer = console.press("reject", headers={**sent, "X-Forwarded-Host": "name-8080.app.example"})
    assert answer.history[0].status_code == 303
    assert desk.acts != []


@pytest.mark.parametrize("form_token", ["", "guessed", "ß"])
def test_a_form_without_the_token_of_the_page_does_nothing(console: Console, desk: FakeDesk, form_token: str) -> None:
    answer = console.press("reject", form_token=form_token)
    assert answer.status_code == 403
    assert desk.acts == []


def test_the_token_of_a_form_is_not_the_one_of_the_address_or_the_cookie(console: Console) -> None:
    form_token = console.form()["form_token"]
    assert form_token not in console.address
    assert form_token not in console.session.cookies.values()


def test_a_link_cannot_press_a_button(console: Console, desk: FakeDesk) -> None:
    form = console.form()
    answer = console.get("/decide?" + "&".join(f"{key}={value}" for key, value in form.items()) + "&action=reject")
    assert answer.status_code == 404
    assert desk.acts == []


def test_each_answer_forbids_scripts_frames_caches_and_sniffing(console: Console) -> None:
    for path in ("/", "/live", "/static/console.js", "/chart.css", "/reports", "/reports/none", "/nothing"):
        headers = console.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; "), path
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert "http" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cache-Control"] == "no-store"


class Elements(HTMLParser):
    """Collects the elements of a page, each with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


def test_a_page_has_nothing_that_the_policy_forbids_and_nothing_of_another_host(
    console: Console, desk: FakeDesk
) -> None:
    for state in STATES.values():
        desk.shown = state()
        elements = Elements(console.get("/").text).found
        check(elements)


def check(elements: list[tuple[str, dict[str, str]]]) -> None:
    for tag, attributes in elements:
        assert not {name for name in attributes if name == "style" or name.startswith("on")}
        assert tag not in ("style", "iframe", "object", "embed", "base")
        assert tag != "script" or attributes["src"] == "/static/console.js"
        for address in (attributes[name] for name in ("src", "href", "action") if name in attributes):
            assert re.match(r"/(?!/)|#|$", address), address


def test_markup_in_names_and_texts_of_the_cluster_is_shown_as_text() -> None:
    with serving(FakeDesk(STATES["markup"]())) as console:
        page = console.get("/").text
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert "<img src=x" not in page


def test_a_header_says_who_pressed_only_where_a_proxy_is_configured(desk: FakeDesk) -> None:
    forged = {"X-User": "mallory"}
    with serving(desk) as console:
        own = {"Origin": console.base, **forged}
        assert "ada pressed reject" in console.press("reject", headers=own).text
    with serving(desk, access=Access(user_header="X-User")) as console:
        console.session.headers["X-User"] = "grace"
        assert "You are <b>grace</b>" in console.get("/").text
        assert "grace pressed reject" in console.press("reject").text
        console.session.headers.pop("X-User")
        answer = console.press("reject").text
        assert "the request has no header X-User, which says who you are" in answer
    assert [by for _, _, by, _, _ in desk.acts] == ["ada", "grace"]


def test_behind_a_proxy_the_console_has_the_name_of_the_proxy(desk: FakeDesk) -> None:
    access = Access(names=frozenset({"console.example.com"}), user_header="X-User")
    with serving(desk, access=access) as console:
        console.open()
        cookie = "; ".join("=".join(one) for one in console.session.cookies.items())
        console.session.headers.update({"Host": "console.example.com", "X-User": "grace", "Cookie": cookie})
        refused = console.press("reject", headers={"Origin": "https://other.example.com"})
        assert "A proxy in front of it must pass on the Host header as it gets it." in refused.text
        console.press("reject", headers={"Origin": "https://console.example.com", "Sec-Fetch-Site": "same-origin"})
    assert [by for _, _, by, _, _ in desk.acts] == ["grace"]


def test_the_name_of_a_person_cannot_forge_lines_of_a_log(desk: FakeDesk) -> None:
    with serving(desk, access=Access(user_header="X-User")) as console:
        console.session.headers["X-User"] = "eve\tpromoted by ada" + "!" * 500
        console.press("reject")
    (by,) = (by for _, _, by, _, _ in desk.acts)
    assert by.startswith("eve promoted by ada!")
    assert len(by) <= 100


def test_an_action_that_no_button_has_is_refused(console: Console, desk: FakeDesk) -> None:
    assert "there is no action &#39;delete&#39;; press one of the buttons" in console.press("delete").text
    assert desk.acts == []


def test_a_page_of_an_earlier_release_decides_nothing_about_this_one(console: Console, desk: FakeDesk) -> None:
    earlier = console.form()["release"]
    desk.shown = STATES["reject"]()  # of another canary
    answer = console.press("promote", release=earlier)
    assert desk.acts == []
    assert (
        "since this page was shown, the release of sampleapp has ended or another one has begun. "
        "The page shows it as it is now"
    ) in answer.text
