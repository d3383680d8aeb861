"""The pictures of screen and page in the docs, taken of the running demo: `make pictures`.

python -m e2e.pictures [FOLDER]     # docs/images without one
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
import tempfile
from pathlib import Path

from e2e.browser import Window, chromium
from e2e.live_gateways import COMMAND, FREE_PORTS
from e2e.processes import Process, environment, until

from otel_stream.live.rendezvous import discover
from otel_stream.tui.app import Top
from otel_stream.tui.attach import Gateways
from otel_stream.tui.sources import LiveSource

IMAGES = Path(__file__).parents[2] / "docs" / "images"
COLUMNS, LINES = 140, 34
ENOUGH_EVENTS = 1000
ENOUGH_TEXT = 250  # characters of the stream that is followed
FONT = "DejaVu Sans Mono, Menlo, Consolas, monospace"


@contextlib.contextmanager
def demo(rate=4):
    """Run the demo; gives the folder in which its gateway can be found."""
    with tempfile.TemporaryDirectory(prefix="pictures-") as name:
        folder = Path(name)
        command = [COMMAND, "demo", "--plain", "--rate", rate, *FREE_PORTS]
        with Process(command, folder / "demo.log", environment(TMPDIR=name)) as process:
            yield until(lambda: next(folder.glob("*/live"), None), lambda: f"up:\n{process.tail()}")


def take_both(images):
    """Write top.svg and page.png into the folder."""
    with demo() as place:
        (images / "top.svg").write_text(asyncio.run(screen(place)), "utf-8")
        page(until(lambda: next(iter(discover(place)), None), "served"), images / "page.png")


# -- the screen


async def screen(place):
    """Return `otel-stream top` as it looks once there is something to see, as SVG."""
    app = Top(
        LiveSource(Gateways(place, query="refresh=2")), trace_url="http://localhost:16686/trace/{trace_id}"
    )
    async with app.run_test(size=(COLUMNS, LINES)) as pilot:
        while not _is_worth_a_picture(app):
            await pilot.pause(0.1)
        await pilot.press("down")
        while len(app.selected_row.said.text()) < ENOUGH_TEXT and app.selected_row.is_open:
            await pilot.pause(0.1)
        return _without_web_font(app.export_screenshot(title="otel-stream top"))


def _is_worth_a_picture(app):
    now = app.source.now()
    rows = list(app.model.rows.values())
    talking = [row for row in app.view.rows(now)[:2] if row.state(now) == "streaming"]
    enough = app.model.applied > ENOUGH_EVENTS and app.model.bad_ends > 1
    return enough and sum(row.is_open for row in rows) > 6 and len(talking) > 1


def _without_web_font(svg):
    """Return the picture as everybody can show it: nothing is loaded from elsewhere."""
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    return re.sub(r"font-family: Fira Code, monospace", f"font-family: {FONT}", svg)


# -- the page

CHOOSE = f"""(() => {{
  const told = row => row.open && row.runs.some(run => run.text.length > {ENOUGH_TEXT});
  const row = [...window.otelStream.model.rows.values()].find(told);
  const line = row && document.querySelector(`#body tr[data-key="${{row.id}}"]`);
  if (line && line.getAttribute("aria-selected") !== "true") line.click();
  return line && document.querySelector("#text").textContent.length > {ENOUGH_TEXT};
}})()"""
"""Choose a stream that has said something and still goes on; true once its text is there."""


def page(target, path):
    """Take the page in a browser."""
    with chromium() as browser, Window(browser, "picture", color_scheme="light") as window:
        window.page.goto(f"{target.address.url}#token={target.address.token}")
        window.until(f"window.otelStream.model.applied > {ENOUGH_EVENTS}")
        window.until(CHOOSE)
        window.page.screenshot(path=path)


if __name__ == "__main__":
    os.environ.pop("NO_COLOR", None)
    take_both(Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES)
