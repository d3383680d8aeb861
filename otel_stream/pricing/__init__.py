"""What a stream costs: the provider's own figure, the user's prices, then the table, in this order.

The recorder asks once per stream, at its end. Money is Decimal; "no price known" is None, never 0.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from otel_stream import _guard
from otel_stream.events import CostSource
from otel_stream.meaning import Usage
from otel_stream.pricing import file, table
from otel_stream.pricing.rates import Rates, Tariff

__all__ = ["UNPRICED", "Price", "PriceFunction", "Pricer", "Rates"]

UNKNOWN_MODEL = "unknown_model"
MISSING_RATE = "missing_rate"
NO_TABLE = "no_price_table"
REASONS = (UNKNOWN_MODEL, MISSING_RATE, NO_TABLE)

MAX_MODELS = 512  # (provider, model) pairs remembered; gateways use a few dozen, callers may send any name


class Price(NamedTuple):
    """What a call cost in USD (None: not known), who says so, and why it is not known."""

    usd: Decimal | None
    source: CostSource
    reason: str | None = None
    """One of REASONS when tokens were reported and `usd` is None; None otherwise."""


UNPRICED = Price(None, "none")


class PriceFunction(Protocol):
    """A user's own prices. `model` is the answer's, `request_model` the request's; they may be equal.

    Return `UNPRICED` to leave the call to the price table.
    """

    def __call__(self, *, provider: str, model: str, request_model: str, usage: Usage) -> Price: ...


class Pricer:
    """A `PriceFunction` over everything that can know a price. One per process; any thread may ask."""

    def __init__(self, prices_file: str = "", function: PriceFunction | None = None) -> None:
        """`function` is asked before the file, the file before the table.

        Raises: SettingError when the file cannot be used.
        """
        self._rows = file.read(prices_file) if prices_file else ()
        self._function = function
        self._data: Any = None
        self._known = lru_cache(maxsize=MAX_MODELS)(self._look_up)

    def preload(self) -> None:
        """Load the price table in the background; without it the first price waits about 0.3 s."""
        table.preload()

    def price(self, *, provider: str, model: str, request_model: str, usage: Usage) -> Price:
        """Return the price of one call."""
        if usage.cost_usd is not None and usage.cost_usd.is_finite() and usage.cost_usd >= 0:
            return Price(usage.cost_usd, "provider")
        own = None if self._function is None else _ask(self._function, provider, model, request_model, usage)
        if own is not None and own.usd is not None:
            return own
        if usage.input_tokens is None and usage.output_tokens is None:
            return UNPRICED
        self._notice_new_data()
        tariff, source, reason = self._known(provider, model, request_model)
        if tariff is None:
            return Price(None, "none", reason)
        usd = tariff.cost(usage)
        return Price(None, "none", MISSING_RATE) if usd is None else Price(usd, source)

    __call__ = price

    def _notice_new_data(self) -> None:
        data = table.snapshot()
        if data is not self._data:
            self._data = data
            self._known.cache_clear()

    def _look_up(
        self, provider: str, model: str, request_model: str
    ) -> tuple[Tariff | None, CostSource, str | None]:
        names = (model, request_model)
        for name in names:
            for row in self._rows:
                if row.fits(provider, name):
                    return row.tariff, "override", None
        if self._data is None:
            return None, "none", NO_TABLE
        found = table.find(self._data, provider, names)
        return (found, "price_table", None) if found else (None, "none", UNKNOWN_MODEL)


@_guard.guarded("pricing.function")
def _ask(function: PriceFunction, provider: str, model: str, request_model: str, usage: Usage) -> Price:
    return function(provider=provider, model=model, request_model=request_model, usage=usage)
