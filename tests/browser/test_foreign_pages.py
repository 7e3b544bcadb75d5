"""Pages of another origin, and of a name that was made to point at the gateway, in the browser of somebody who is logged in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from config.settings import DoorSettings
from tests.browser.chrome import Page, chromium
from tests.browser.site import PASSWORD, WEEK, PageSite, line, page_site, profile
from tests.support.api_server import BASIC

pytestmark = pytest.mark.long

EVIL, REBOUND, SITE = "evil.test", "rebound.test", "gate.test"
FRONT = DoorSettings(id="front", name="Front door", panel="lobby", output=0, number=1)
CHANGES: list[tuple[str, str, object]] = [
    ("POST", "/gateway/v1/doors/front/open", None),
    ("POST", "/gateway/v1/doors/front/hold", {"seconds": 60}),
    ("GET", "/api/v1/access/general/lock/open/remote/accepted/1", None),
    ("POST", "/api/v1/access/timeprofile/items/link", {"list_items": [profile(WEEK, "Planted", 0, 23)]}),
    ("PUT", f"/gateway/v1/bindings/{WEEK}", {"panels": []}),
    ("POST", "/gateway/v1/panels/lobby/reinit", None),
    ("DELETE", "/gateway/v1/sessions/admin", None),
    ("POST", "/gateway/v1/session", {"name": "admin", "password": PASSWORD}),
    ("DELETE", "/gateway/v1/session", None),
]
"""What a page of somebody else would like to do."""

ATTACK = """
const [gateway, changes, authorizations, done] = arguments;
const tried = [];
for (const [method, path, body] of changes) {
  for (const authorization of authorizations) {
    for (const mode of ["cors", "no-cors"]) {
      const headers = authorization ? { Authorization: authorization } : {};
      const text = body === null ? undefined : JSON.stringify(body);
      const asked = fetch(gateway + path, { method, mode, headers, body: text, credentials: "include" });
      tried.push(asked.then((answer) => answer.status, () => "refused by the browser"));
    }
  }
  const image = new Image();
  tried.push(new Promise((resolve) => (image.onload = image.onerror = () => resolve("a picture"))));
  image.src = gateway + path;
}
Promise.all(tried).then(done);
"""


FORM = """
const form = document.forms[0];
form.action = arguments[0];
const field = form.appendChild(document.createElement("input"));
field.name = arguments[1];
field.value = '"}';
form.submit();
"""
FRAME = """
const [url, done] = arguments;
const frame = document.body.appendChild(document.createElement("iframe"));
frame.onload = () => done(frame.contentDocument ? frame.contentDocument.title : "nothing of it");
frame.src = url;
"""


class _Foreign(BaseHTTPRequestHandler):
    """A page with a form that is sent to the gateway; the address says what for."""

    def do_GET(self) -> None:
        body = b"<!doctype html><title>somebody else</title><form method=post enctype=text/plain></form>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture(scope="module")
def somebody_else() -> Iterator[int]:
    """The port of another site."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Foreign) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield int(server.server_address[1])
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def fooled() -> Iterator[Page]:
    """A browser whose names all lead to this machine."""
    with chromium("--host-resolver-rules=MAP *.test 127.0.0.1") as page:
        yield page


@pytest.fixture(scope="module", params=[(), (SITE,)], ids=["any-name", "listed-names"])
def site(request: pytest.FixtureRequest) -> Iterator[PageSite]:
    with page_site(line("east", "lobby"), doors=[FRONT], hosts=request.param).living() as site:
        site.until(lambda panels: panels["lobby"]["state"] == "in_sync")
        yield site


def token_of(site: PageSite) -> str:
    return str(site.call("GET", "/api/v1/login?username=admin&password=e10adc3949ba59abbe56e057f20f883e")["token"])


def happened(site: PageSite) -> object:
    """All that the attacks are after: events of doors, items, bindings, sessions."""
    lines = str(site.call("GET", "/gateway/v1/events?last=1000")).splitlines()
    kinds = [kind for kind in (json.loads(text)["kind"] for text in lines) if kind.startswith(("access_", "door_"))]
    asked = site.call("GET", "/gateway/v1/bindings?effective=1")["bindings"], site.call("GET", "/gateway/v1/bindings")["bindings"]
    return kinds, asked, [one["user"] for one in site.call("GET", "/gateway/v1/settings")["sessions"]]


@pytest.mark.parametrize("name", [EVIL, SITE, "localhost"])
def test_another_sites_page_changes_nothing_with_whatever_it_has_got(
    fooled: Page, site: PageSite, somebody_else: int, name: str
) -> None:
    """Also one of the same name at another port, to which browsers send the cookie."""
    port = site.url.rpartition(":")[2]
    gateway = f"http://{name if name != EVIL else SITE}:{port}"
    fooled.visit(gateway)
    token, before = token_of(site), happened(site)
    fooled.driver.get(f"http://{name}:{somebody_else}/")
    answers = fooled.driver.execute_async_script(ATTACK, gateway, CHANGES, ["", f"Bearer {token}", BASIC, token])
    assert not [answer for answer in answers if isinstance(answer, int) and 0 < answer < 400], answers
    fooled.script(
        FORM,
        f"{gateway}/api/v1/access/timeprofile/items/link",
        json.dumps(CHANGES[3][2])[:-1] + ', "x": "',
    )
    assert happened(site) == before
    fooled.go("/doors") if fooled.url == gateway else None
    fooled.wait_for("Front door")


def test_a_name_that_was_made_to_point_at_the_gateway_has_no_credentials_there(fooled: Page, site: PageSite) -> None:
    port = site.url.rpartition(":")[2]
    fooled.visit(f"http://{SITE}:{port}")
    before = happened(site)
    rebound = f"http://{REBOUND}:{port}"
    fooled.driver.get(f"{rebound}/healthz")
    answers = fooled.driver.execute_async_script(ATTACK, rebound, CHANGES[:-2], ["", "Bearer guessed"])
    statuses = {answer for answer in answers if isinstance(answer, int)}
    # Where no names are listed the page is of the gateway's own origin for the browser, and has no session there.
    assert statuses == {403} if site.settings.http.hosts else statuses <= {401, 403, 429}, answers
    assert happened(site) == before


def test_no_other_site_shows_the_page_in_a_frame(fooled: Page, site: PageSite, somebody_else: int) -> None:
    port = site.url.rpartition(":")[2]
    fooled.visit(f"http://{SITE}:{port}")
    fooled.driver.get(f"http://{SITE}:{somebody_else}/")
    shown = fooled.driver.execute_async_script(
        FRAME,
        f"http://{SITE}:{port}/doors",
    )
    assert shown in ("", "nothing of it")
    refused = [entry for entry in fooled.complaints() if "frame-ancestors" in entry]
    assert refused
