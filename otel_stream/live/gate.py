"""Who may ask, where any program of this machine, and any page in a browser, can knock: the TCP port.

A token in the header, never in the URL; a list of names for us in `Host`, so that no foreign name can be bent
to this address (DNS rebinding); no other page's `Origin`; and no CORS header that would allow one.
https://github.com/mitmproxy/mitmproxy/issues/3234 tells what happens without.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping

OPEN_PATHS = ("/",)  # the page itself tells nothing; a browser cannot send a header when it opens it
_OWN_SITE = ("same-origin", "none")


class Gate:
    """Checks a request's headers, whose names are lower-case. `hosts` are the authorities we answer to."""

    def __init__(self, token: str, hosts: tuple[str, ...]) -> None:
        self._token = f"bearer {token}".encode()
        self._hosts = hosts
        self._origins = tuple(f"http://{host}" for host in hosts)

    def refusal(self, path: str, headers: Mapping[str, str]) -> tuple[int, str] | None:
        """Return status and reason of a refusal, or None when the request may pass."""
        if headers.get("host", "").lower() not in self._hosts:
            return 403, f"this is not {headers.get('host', '')!r}; use {self._hosts[0]}"
        if headers.get("origin", self._origins[0]).lower() not in self._origins:
            return 403, "no other site's pages may ask"
        if headers.get("sec-fetch-site", "none") not in _OWN_SITE:
            return 403, "no other site's pages may ask"
        if path in OPEN_PATHS or self._has_token(headers.get("authorization", "")):
            return None
        return 401, "the header 'Authorization: Bearer <token>' is missing or wrong"

    def _has_token(self, given: str) -> bool:
        scheme, _, token = given.strip().partition(" ")
        told = f"{scheme.lower()} {token.strip()}".encode("utf-8", "surrogateescape")
        return hmac.compare_digest(told, self._token)


def loopback_hosts(port: int) -> tuple[str, ...]:
    """Return the authorities a program on this machine reaches the port by."""
    return tuple(f"{host}:{port}" for host in ("127.0.0.1", "localhost", "[::1]"))
