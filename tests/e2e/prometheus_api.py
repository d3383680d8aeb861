"""The HTTP API of a running Prometheus, as tests ask it."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request


def get(url, **query):
    """Return the page."""
    if query:
        url += "?" + urllib.parse.urlencode(query)
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode()


class Prometheus:
    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, path, **query):
        """Return `data` of the answer; what Prometheus refuses fails with its own words."""
        try:
            return json.loads(get(f"{self.url}/api/v1/{path}", **query))["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{query}: {error.read().decode()}") from None

    def query(self, expr):
        """Return the vector."""
        return self.ask("query", query=expr)["result"]

    def value(self, expr):
        """Return the value of the one series there is, 0 for none."""
        found = self.query(expr)
        assert len(found) <= 1, found
        return float(found[0]["value"][1]) if found else 0.0

    def by(self, label, expr):
        """Return the values by a label."""
        return {row["metric"][label]: float(row["value"][1]) for row in self.query(expr)}
