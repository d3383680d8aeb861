"""`python -m benchmarks.soak [--seconds 600] [--streams 200]`: exit code 0 when the books agree."""

from __future__ import annotations

import argparse
import sys

from benchmarks.soak.options import Options
from benchmarks.soak.run import main

_USUAL = Options()

parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
parser.add_argument(
    "--seconds",
    type=float,
    default=_USUAL.seconds,
    help="under load with us and one worker (%(default)s); as long without us, a fifth with two",
)
parser.add_argument("--streams", type=int, default=_USUAL.streams, help="open at a time (%(default)s)")
parser.add_argument(
    "--pieces",
    type=float,
    default=_USUAL.pieces,
    help="of answers a second, all streams together (%(default)s)",
)
parser.add_argument(
    "--sdk",
    action="store_true",
    help="load a third gateway as long: under opentelemetry-instrument but without us, to tell what is whose",
)
parser.add_argument("--folder", default="", help="keep logs and measurements there")
sys.exit(main(Options(**vars(parser.parse_args()))))
