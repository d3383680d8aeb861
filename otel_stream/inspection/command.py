"""The subcommand `otel-stream inspect`: decodes recorded responses and says what was understood."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from otel_stream.events import encode
from otel_stream.inspection.exchanges import Exchange, UnreadableError, as_json, read
from otel_stream.inspection.report import report
from otel_stream.meaning import Usage
from otel_stream.pricing import UNPRICED, Price, Pricer
from otel_stream.testing import Replay, replay


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add("file", help="a HAR archive, what `curl -i` wrote, or a response's body; - reads standard input")
    add("--url", default="", help="where the response came from, if the file does not say")
    add("--request", default="", metavar="FILE", help="the request's body, if the file does not have it")
    add("--json", action="store_true", help="print the events, one a line, instead of a report")
    add("--whole", action="store_true", help="show texts to their end")
    add("--prices", default="", metavar="FILE", help="a file of prices (OTEL_STREAM_PRICES)")


def run(options: argparse.Namespace) -> int:
    """Print what was understood; 1 when nothing was an LLM call or the file cannot be read."""
    try:
        asked = Path(options.request).read_bytes() if options.request else None
        exchanges = read(_input(options.file), options.url, asked)
        pricer = Pricer(options.prices)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    recognised = [_show(exchange, pricer, options) for exchange in exchanges]
    return 0 if any(recognised) else 1


def _input(name: str) -> bytes:
    return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()


def _show(exchange: Exchange, pricer: Pricer, options: argparse.Namespace) -> bool:
    found = replay(
        url=exchange.url,
        method=exchange.method,
        request_json=as_json(exchange.request_body),
        request_headers=exchange.request_headers,
        status=exchange.status,
        response_headers=exchange.headers,
        chunks=[exchange.body],
    )
    if options.json:
        for event in found.events:
            print(encode(event).decode())
    else:
        print("\n".join(report(exchange, found, _price(found, pricer), whole=options.whole)))
    return found.recognised


def _price(found: Replay, pricer: Pricer) -> Price:
    if found.usage is None or found.facts is None:
        return UNPRICED
    model = found.facts.model
    return pricer.price(
        provider=found.facts.provider,
        model=found.response_model or model,
        request_model=model,
        usage=Usage(**found.usage),
    )


__all__ = ["UnreadableError", "arguments", "run"]
