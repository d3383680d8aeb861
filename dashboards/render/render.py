"""Pictures of the boards with live data, drawn by Grafana's own panel components in headless Chromium.

    python dashboards/render/live.py --minutes 30 &                  # prints where its Prometheus is
    python dashboards/render/render.py http://127.0.0.1:PORT         # writes docs/images/board-*.png

Needs node, npm, chromium (`apt-get install nodejs npm chromium`) and Pillow; half a GiB of packages go to
`node_modules` beside this file at the first run.
"""

from __future__ import annotations

import argparse
import functools
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image

HERE = Path(__file__).parent
BOARDS = HERE.parent
IMAGES = BOARDS.parent / "docs" / "images"
sys.path.insert(0, str(BOARDS.parent / "tests"))

from e2e.prometheus_api import Prometheus  # noqa: E402 - found by the line above

WIDTH = 1600
POINTS = 180
COLOURS = 256  # a third of the size of the file; k-means keeps the rare ones, a name's colour in a legend

PAGE = """<!doctype html><meta charset="utf-8">
<style>body {{ margin: 0 }}</style><link rel="stylesheet" href="{bundle}.css"><div id="root"></div>
<script>window.RENDER = {data}; window.__grafana_public_path__ = "";</script>
<script src="{bundle}.js"></script>"""

NPM = [
    "npm",
    "install",
    "--legacy-peer-deps",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--no-package-lock",
]
ESBUILD = [
    "--bundle", "--minify", "--jsx=automatic", "--log-level=error",
    "--define:process.env.NODE_ENV='production'", "--loader:.svg=dataurl",
    "--loader:.woff2=dataurl", "--loader:.woff=empty", "--loader:.ttf=empty",
]  # fmt: skip
CHROMIUM = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=8000"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("prometheus", help="its address")
    parser.add_argument("--minutes", type=float, default=30, help="the time range of the boards")
    parser.add_argument("--ago", type=float, default=0, metavar="MINUTES", help="how long ago it ended")
    parser.add_argument("--boards", nargs="*", default=["overview", "cost", "streams"])
    options = parser.parse_args()
    ask = Prometheus(0)
    ask.url = options.prometheus.rstrip("/")
    with tempfile.TemporaryDirectory() as name:
        bundle = _bundle(Path(name))
        for board in options.boards:
            content = json.loads((BOARDS / f"{board}.json").read_text("utf-8"))
            data = _answers(content, ask, options.minutes * 60, time.time_ns() / 1e9 - options.ago * 60)
            page = Path(name) / f"{board}.html"
            page.write_text(PAGE.format(data=json.dumps(data).replace("</", "<\\/"), bundle=bundle), "utf-8")
            picture = IMAGES / f"board-{board}.png"
            _photograph(page, _height(content), picture)
            print(f"{picture} {picture.stat().st_size // 1024} KiB")


def _bundle(folder: Path) -> Path:
    """Make bundle.js and bundle.css; return what their names begin with."""
    if not (HERE / "node_modules").exists():
        subprocess.run(NPM, cwd=HERE, check=True)
    esbuild, made = HERE / "node_modules" / ".bin" / "esbuild", folder / "bundle"
    subprocess.run([esbuild, HERE / "board.jsx", f"--outfile={made}.js", *ESBUILD], check=True, cwd=HERE)
    return made


def _answers(board: dict[str, Any], ask: Prometheus, seconds: float, to: float) -> dict[str, Any]:
    """Return the board with what Prometheus says to each of its queries, as the page wants it."""
    step = max(5, round(seconds / POINTS))
    window = {"start": f"{to - seconds:.3f}", "end": f"{to:.3f}"}
    fill = functools.partial(_filled_in, seconds=seconds, step=step)
    answers: dict[int, Any] = {}
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            expr = fill(target["expr"])
            if target.get("format") == "table":
                found = ask.ask("query", query=expr, time=f"{to:.3f}")
            elif target.get("instant"):
                found = ask.ask("query", query=expr, time=f"{to:.3f}")
                for series in found["result"]:
                    series["values"] = [series["value"]]
            else:
                found = ask.ask("query_range", query=expr, step=str(step), **window)
            if target.get("exemplar"):
                found["exemplars"] = ask.ask("query_exemplars", query=expr, **window)
            answers.setdefault(panel["id"], {})[target["refId"]] = found
    times = {"from": (to - seconds) * 1000, "to": to * 1000, "asked": {"step": step}}
    return {"board": board, "answers": answers, **times}


def _filled_in(expr: str, seconds: float, step: int) -> str:
    for name, value in (
        ("$__rate_interval", f"{max(60, step + 15)}s"),
        ("$__range", f"{seconds:g}s"),
        ("$budget", "3000"),
    ):
        expr = expr.replace(name, value)
    return re.sub(r"\$(job|instance|provider|model|agent|tenant)\b", ".+", expr)


def _height(board: dict[str, Any]) -> int:
    return 110 + 38 * max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"])


def _photograph(page: Path, height: int, picture: Path) -> None:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        sys.exit("chromium not found: apt-get install chromium")
    raw = page.with_suffix(".png")
    with tempfile.TemporaryDirectory() as profile:
        options = [f"--user-data-dir={profile}", f"--window-size={WIDTH},{height}", f"--screenshot={raw}"]
        command = [program, *CHROMIUM, *options, page.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
    picture.parent.mkdir(parents=True, exist_ok=True)
    Image.open(raw).convert("RGB").quantize(COLOURS, kmeans=2).save(picture, optimize=True)


if __name__ == "__main__":
    main()
