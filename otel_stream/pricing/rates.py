"""Rates and what usage costs at them: arithmetic on Decimal, no table and no files.

The price file and the price table both end in a `Tariff`; `cost` is the one place where money is computed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from datetime import datetime, timezone
from decimal import Context, Decimal

import msgspec

from otel_stream.meaning import Usage

TOKENS_PER_RATE = 1_000_000  # providers quote USD per million tokens
_MONEY = Context(prec=34)  # our own: the host may have set its context to a few digits
_ZERO = Decimal(0)


class Rates(msgspec.Struct, frozen=True, gc=False):
    """USD per million tokens. None: these tokens have no rate of their own and cost what their whole costs.

    So cached tokens without a cache rate cost as much as other input, reasoning as much as other output.
    `request` is USD per request.
    """

    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    input_audio: Decimal | None = None
    output_audio: Decimal | None = None
    reasoning: Decimal | None = None
    request: Decimal | None = None

    def cost(self, usage: Usage) -> Decimal | None:
        """Return USD, or None when there are tokens without a rate. Counts not reported are taken as 0."""
        read, write = (
            _rated(usage.cache_read_tokens, self.cache_read),
            _rated(usage.cache_write_tokens, self.cache_write),
        )
        heard = _rated(usage.input_audio_tokens, self.input_audio)
        spoken = _rated(usage.output_audio_tokens, self.output_audio)
        thought = _rated(usage.reasoning_tokens, self.reasoning)
        # Parts larger than the whole are the provider's slip; the whole is then only its parts.
        plain_in = max(0, (usage.input_tokens or 0) - read - write - heard)
        plain_out = max(0, (usage.output_tokens or 0) - spoken - thought)
        if (plain_in and self.input is None) or (plain_out and self.output is None):
            return None
        total = _ZERO
        for tokens, rate in (
            (plain_in, self.input),
            (plain_out, self.output),
            (read, self.cache_read),
            (write, self.cache_write),
            (heard, self.input_audio),
            (spoken, self.output_audio),
            (thought, self.reasoning),
        ):
            if tokens and rate is not None:
                total = _MONEY.fma(rate, tokens, total)
        total = _MONEY.scaleb(total, -6)
        return total if self.request is None else _MONEY.add(total, self.request)


def _rated(tokens: int | None, rate: Decimal | None) -> int:
    return tokens if tokens and rate is not None and tokens > 0 else 0


class Tiers(msgspec.Struct, frozen=True):
    """Rates by size of the request: `rates[i]` holds above `starts[i - 1]` input tokens, for all tokens."""

    rates: tuple[Rates, ...]
    starts: tuple[int, ...] = ()

    def at(self, input_tokens: int) -> Rates:
        return self.rates[bisect_left(self.starts, input_tokens)]


class Tariff(msgspec.Struct, frozen=True):
    """What a model costs: tiers, and which of them hold when. The last active row wins, else the first."""

    rows: tuple[tuple[Callable[[datetime], bool] | None, Tiers], ...]

    def cost(self, usage: Usage) -> Decimal | None:
        """Return USD at the rates of this moment, or None when there are tokens without a rate."""
        return self._tiers().at(usage.input_tokens or 0).cost(usage)

    def _tiers(self) -> Tiers:
        if len(self.rows) == 1:
            return self.rows[0][1]
        now = datetime.now(tz=timezone.utc)
        for active, tiers in reversed(self.rows):
            if active is None or active(now):
                return tiers
        return self.rows[0][1]


def flat(rates: Rates) -> Tariff:
    """Return the tariff of a model that costs the same at any size and time."""
    return Tariff(((None, Tiers((rates,))),))
