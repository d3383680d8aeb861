"""A real browser: the Chromium of the machine, driven by Playwright."""

from __future__ import annotations

import contextlib
import time

from e2e.programs import program

WAIT_SECONDS = 30
SIZES = {"wide": (1400, 820), "narrow": (390, 800), "picture": (1280, 760)}


@contextlib.contextmanager
def chromium():
    """Run Chromium without a window; gives the browser."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only where a browser is wanted

    path = program("chromium", "chromium", "chromium-browser", "google-chrome")
    with sync_playwright() as playwright:
        # Its sandbox needs privileges that containers do not give; the page is our own.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


class Window:
    """A page and everything it complained of."""

    def __init__(self, browser, size="wide", **options):
        width, height = SIZES[size]
        self._context = browser.new_context(viewport={"width": width, "height": height}, **options)
        self.page = self._context.new_page()
        self.expected = []
        """Parts of complaints that belong to the test."""
        self._heard = []
        self.asked = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self._heard.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def _hear(self, said):
        if said.type in ("error", "warning"):
            self._heard.append(said.text)

    @property
    def complaints(self):
        """What it complained of without being expected to."""
        return [said for said in self._heard if not any(part in said for part in self.expected)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._context.close()

    def rows(self):
        """The cells of the table, a list a row."""
        return self.page.eval_on_selector_all(
            "#body tr", "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
        )

    def until(self, expression):
        """Wait until a JavaScript expression is true.

        Playwright's own way needs `eval`, which the page's policy forbids.
        """
        deadline = time.monotonic() + WAIT_SECONDS
        while not self.page.evaluate(f"() => Boolean({expression})"):
            assert time.monotonic() < deadline, f"{expression}\n{self.page.inner_text('body')}"
            self.page.wait_for_timeout(50)
