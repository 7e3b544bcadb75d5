"""What a page of another site can make a browser send is refused; what clients send is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.api.addresses import Networks, Proxies, network_of
from gateway.api.origins import Credentials, Sender, Sites, credentials_of
from tests.support.api_server import api_server, settings

PLAIN = Sender("/api/v1/access/timeprofile/link", Credentials.BEARER, host="gate.example:8080")
BASIC = replace(PLAIN, credentials=Credentials.BASIC)
LOCKS = (
    "/api/v1/access/general/lock/open/remote/accepted/1",
    "/api/v0/access/general/lock/open/emergency",
    "/gateway/v1/doors/front/open",
)


def refused(sender: Sender, sites: Sites = Sites()) -> bool:  # noqa: B008 - frozen
    return sites.refusal(sender) is not None


@pytest.mark.parametrize("credentials", Credentials)
@pytest.mark.parametrize("agent", ["", "curl/8", "python-requests/2", "Mozilla/5.0 (a picture)"])
def test_what_clients_send_is_taken(credentials: Credentials, agent: str) -> None:
    assert not refused(replace(PLAIN, credentials=credentials, user_agent=agent))


@pytest.mark.parametrize(
    ("origin", "by_basic", "by_token"),
    [
        ("http://gate.example:8080", False, False),
        ("https://gate.example:8080", False, False),
        ("HTTP://GATE.example:8080", False, False),
        ("http://gate.example", True, True),
        ("http://gate.example:8081", True, True),
        ("http://gate.example.evil.example:8080", True, True),
        ("http://evil.example", True, True),
        ("https://evil.example:8080", True, True),
        ("http://[", True, True),
        ("null", True, False),
        ("file://", True, False),
        ("capacitor://localhost", True, False),
        ("", True, False),
    ],
)
def test_origins(origin: str, by_basic: bool, by_token: bool) -> None:
    assert refused(replace(BASIC, origin=origin)) == by_basic
    assert refused(replace(PLAIN, origin=origin)) == by_token
    assert refused(replace(PLAIN, credentials=Credentials.NONE, origin=origin)) == by_token
    assert refused(replace(PLAIN, origin=origin, cookie=True)) == by_basic


def test_over_tls_a_page_that_anybody_on_the_way_may_have_written_is_another_sites() -> None:
    secure = replace(PLAIN, secure=True, host="gate.example", cookie=True)
    for host, page in (("gate.example", "gate.example"), ("gate.example:8443", "gate.example:8443")):
        for origin, is_own in ((f"https://{page}", True), (f"HTTPS://{page}", True), (f"http://{page}", False)):
            sender = replace(secure, host=host, origin=origin)
            assert (Sites().is_own_page(sender), refused(sender)) == (is_own, not is_own)
            assert Sites().is_own_page(replace(sender, secure=False)), "a proxy that nobody told of speaks TLS"
    assert Sites(origins=("http://gate.example",)).is_own_page(replace(secure, origin="http://gate.example"))


def test_a_default_port_is_not_said_by_browsers() -> None:
    for host in ("gate.example", "gate.example:443"):
        assert not refused(replace(BASIC, host=host, origin="https://gate.example"))
    assert not refused(replace(BASIC, host="gate.example", origin="http://gate.example"))
    assert refused(replace(BASIC, host="gate.example:443", origin="http://gate.example"))
    assert not refused(replace(BASIC, host="[fd00::7]:8080", origin="http://[fd00::7]:8080"))


def test_other_names_of_the_gateway() -> None:
    page = replace(BASIC, origin="https://gate.example", host="10.0.0.1:8080")
    assert refused(page)
    assert not refused(replace(page, forwarded_host="gate.example"))
    assert not refused(page, Sites(origins=("https://gate.example",)))
    listed = replace(page, fetch_site="cross-site")
    assert not refused(listed, Sites(origins=("https://gate.example",)))
    assert refused(replace(listed, origin="https://gate.example.evil"), Sites(origins=("https://gate.example",)))


@pytest.mark.parametrize(
    ("site", "is_refused"), [("cross-site", True), ("same-origin", False), ("same-site", False), ("none", False)]
)
def test_what_the_browser_says_of_the_page(site: str, is_refused: bool) -> None:
    for credentials in Credentials:
        assert refused(replace(PLAIN, credentials=credentials, fetch_site=site, fetch_headers=True)) == is_refused


@pytest.mark.parametrize("path", LOCKS)
def test_a_browser_opens_no_lock_with_basic_alone(path: str) -> None:
    for browser in ({"user_agent": "Mozilla/5.0"}, {"fetch_headers": True}, {"origin": "http://gate.example:8080"}):
        assert refused(replace(BASIC, path=path, **browser))
        assert not refused(replace(PLAIN, path=path, **browser))
    assert not refused(replace(BASIC, path=path, user_agent="okhttp/4"))


@pytest.mark.parametrize(
    ("host", "is_refused"),
    [
        ("gate.example", False),
        ("GATE.example.:8080", False),
        ("localhost:8080", False),
        ("127.0.0.1:8080", False),
        ("10.1.2.3", False),
        ("[fd00::7]:8080", False),
        ("evil.example", True),
        ("gate.example.evil.example:8080", True),
        ("127.0.0.1.evil.example", True),
        ("", True),
    ],
)
def test_names_the_gateway_answers_to(host: str, is_refused: bool) -> None:
    sites = Sites(hosts=("Gate.example",))
    assert refused(replace(PLAIN, host=host), sites) == is_refused
    assert not refused(replace(PLAIN, host=host, path="/healthz"), sites)
    assert not refused(replace(PLAIN, host=host)), "without the setting any name will do"
    assert refused(replace(PLAIN, host="10.1.2.3", forwarded_host=host), sites) == is_refused


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", (Credentials.NONE, "")),
        ("Bearer abc", (Credentials.BEARER, "abc")),
        ("bEARER   abc ", (Credentials.BEARER, "abc")),
        ("abc", (Credentials.BEARER, "abc")),
        ("Bearer", (Credentials.BEARER, "")),
        ("BASIC eDp5", (Credentials.BASIC, "eDp5")),
        ("Digest x", (Credentials.NONE, "")),
    ],
)
def test_the_forms_of_credentials(header: str, expected: tuple[Credentials, str]) -> None:
    assert credentials_of(header) == expected


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.7", ["198.51.100.1"], "192.0.2.7"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.5, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.5", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("", ["198.51.100.1"], ""),
    ],
)
def test_whose_address_counts(peer: str, forwarded: list[str], client: str) -> None:
    assert Proxies.of(["10.0.0.0/8"]).client_of(peer, forwarded) == client


def test_loopback_and_trusted_proxies_are_counted_by_the_total_only() -> None:
    proxies = Proxies.of(["10.0.0.0/8"])
    assert [each for each in ("127.0.0.9", "::1", "10.1.1.1", "") if not proxies.counts_by_total_only(each)] == []
    assert not proxies.counts_by_total_only("192.0.2.7")
    assert network_of("fe80::1%eth0") == "fe80::/64"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (("127.0.0.1",), "gate.example", 200),
        (("127.0.0.1",), "gate.example, inner.example", 200),
        (("127.0.0.1",), "inner.example, gate.example", 403),
        (("127.0.0.1",), "", 403),
        (("192.0.2.1",), "gate.example", 403),
        ((), "gate.example", 403),
    ],
)
async def test_a_page_behind_a_proxy_is_ours_only_by_the_word_of_a_trusted_one(
    proxies: tuple[str, ...], forwarded: str, expected: int
) -> None:
    given = settings()
    given = given.model_copy(update={"http": given.http.model_copy(update={"trusted_proxies": proxies})})
    async with api_server(given) as server:
        answer = await server.call(
            "GET", "/api/v1/access/timeprofile/link", Origin="https://gate.example", X_Forwarded_Host=forwarded
        )
        assert answer.status == expected


@pytest.mark.parametrize(
    ("network", "inside", "outside"),
    [
        ("10.0.0.0/8", "10.1.2.3", "11.0.0.1"),
        ("10.0.0.0/8", "::ffff:10.1.2.3", "::ffff:11.0.0.1"),
        ("::ffff:10.0.0.0/104", "10.1.2.3", "11.0.0.1"),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.1", "::ffff:10.0.0.2"),
        ("fd00::/8", "fd12::7%eth0", "fe80::7"),
        ("::/0", "2001:db8::1", "10.1.2.3"),
        ("0.0.0.0/0", "::ffff:10.1.2.3", "2001:db8::1"),
    ],
)
def test_a_network_holds_an_address_in_whichever_form_either_is_written(network: str, inside: str, outside: str) -> None:
    networks = Networks.of([network])
    assert inside in networks
    assert outside not in networks
