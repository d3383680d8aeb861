"""The subcommand `otel-stream demo`."""

from __future__ import annotations

import argparse

from otel_stream.demo.launch import Options
from otel_stream.demo.run import Demo

_DEFAULTS = Options()


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add("--duration", type=_positive, metavar="SECONDS", help="stop after so long; without it Ctrl-C ends it")
    add("--rate", type=_positive, default=_DEFAULTS.rate, help="calls a second (%(default)s)")
    add("--seed", type=int, default=_DEFAULTS.seed, help="the same seed gives the same calls (%(default)s)")
    add(
        "--plain",
        action="store_true",
        help="no screen: one line for each stream that ended, as without a terminal",
    )
    add("--speed", type=_positive, default=_DEFAULTS.speed, help="how much faster than life (%(default)s)")
    add("--spans", default="", metavar="FILE", help="write spans as JSON to a file; - writes them here")
    for name in ("gateway", "provider", "page", "metrics"):
        default = getattr(_DEFAULTS, f"{name}_port")
        add(
            f"--{name}-port",
            type=int,
            default=default,
            metavar="PORT",
            help="%(default)s; 0 picks a free one",
        )


def run(options: argparse.Namespace) -> int:
    """Run the demo; 0 when the totals agree with /metrics."""
    return Demo(
        Options(
            duration_seconds=options.duration,
            rate=options.rate,
            seed=options.seed,
            plain=options.plain,
            speed=options.speed,
            spans=options.spans,
            gateway_port=options.gateway_port,
            provider_port=options.provider_port,
            page_port=options.page_port,
            metrics_port=options.metrics_port,
        )
    ).main()


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be more than 0; got {text}")
    return value
