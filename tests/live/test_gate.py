from __future__ import annotations

import pytest

from otel_stream.live.gate import Gate, loopback_hosts

GATE = Gate("s3cret", loopback_hosts(8080))
GOOD = {"host": "127.0.0.1:8080", "authorization": "Bearer s3cret"}


def status(path="/events", **headers):
    refused = GATE.refusal(
        path, {**GOOD, **{name.replace("_", "-"): value for name, value in headers.items()}}
    )
    return None if refused is None else refused[0]


def test_the_right_token_passes():
    assert status() is None
    assert status(authorization="bearer  s3cret ") is None


@pytest.mark.parametrize(
    "given",
    ["", "Bearer", "Bearer wrong", "Bearer s3cret2", "Basic s3cret", "s3cret", "Bearer \udcff", "Bearer é"],
)
def test_a_wrong_or_missing_token_is_refused(given):
    assert status(authorization=given) == 401


def test_a_token_in_the_url_is_none():
    assert GATE.refusal("/events", {"host": "127.0.0.1:8080"})[0] == 401


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "evil.example:8080", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:8080.evil.example"],
)
def test_a_name_that_is_not_ours_is_refused_even_with_the_token(host):
    """DNS rebinding: the browser believes it talks to evil.example, at our address."""
    assert status(host=host) == 403
    assert status("/", host=host) == 403


@pytest.mark.parametrize("host", ["localhost:8080", "LOCALHOST:8080", "[::1]:8080"])
def test_our_names_on_this_machine_pass(host):
    assert status(host=host) is None


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:9999", "https://127.0.0.1:8080", ""]
)
def test_pages_of_other_sites_are_refused(origin):
    assert status(origin=origin) == 403


def test_our_own_page_passes():
    assert status(origin="http://127.0.0.1:8080", sec_fetch_site="same-origin") is None
    assert status(sec_fetch_site="none") is None


@pytest.mark.parametrize("site", ["cross-site", "same-site", ""])
def test_what_the_browser_says_of_another_site_is_refused(site):
    """`same-site` is another port of localhost: anybody's."""
    assert status(sec_fetch_site=site) == 403


def test_the_page_itself_needs_no_token():
    assert GATE.refusal("/", {"host": "localhost:8080"}) is None
    assert GATE.refusal("/snapshot", {"host": "localhost:8080"})[0] == 401
