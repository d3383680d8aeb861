"""The price table: genai-prices' bundled data, turned into tariffs. Works offline.

The library and its data take 0.3 s to import, so `preload` does it in a thread and a price that is asked
for earlier waits. Lookups go around its own caches: those never forget, and callers choose model names.
https://github.com/pydantic/genai-prices
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from otel_stream import _guard
from otel_stream.pricing.rates import Rates, Tariff, Tiers

# Semantic-convention provider names whose genai-prices id is another word; equal words need no row.
PROVIDER_IDS = {
    "aws.bedrock": "aws",
    "aws.sagemaker": "aws",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "mistral_ai": "mistral",
    "moonshot_ai": "moonshotai",
    "together_ai": "together",
    "x_ai": "x-ai",
    "xai": "x-ai",
}
_SPEAKS_FOR_OTHERS = {"openai", "anthropic"}  # APIs that others imitate: the name may only tell the dialect
_SELF_HOSTED = {"ollama", "vllm", "sglang", "llama.cpp", "lm_studio"}  # the vendor's price is not theirs

_PRICE_KEYS = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "input_audio": "input_audio_mtok",
    "output_audio": "output_audio_mtok",
    "reasoning": "output_reasoning_mtok",
}
_FREE = Rates(input=Decimal(0), output=Decimal(0))

_lock = threading.RLock()
# A fork waits for a load in progress: the child would inherit half an import and its locks for ever.
os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


class Library:
    """What we use of genai-prices; `snapshot` is None when it could not be loaded."""

    def __init__(self) -> None:
        self.tried = False
        self.snapshot: Callable[[], Any] | None = None

    def load(self) -> None:
        """Import the library and its data, once for the process. Never raises; logs the failure."""
        with _lock:
            if not self.tried:
                self.tried = True
                with _guard.guard("pricing.table"):
                    self.snapshot = import_data()


library = Library()


def import_data() -> Callable[[], Any]:
    from genai_prices import data_snapshot  # noqa: PLC0415 - 0.3 s with its data

    data_snapshot.get_snapshot()
    return data_snapshot.get_snapshot


def preload() -> threading.Thread:
    """Start loading in the background, so that the first stream need not wait; returns the thread."""
    thread = threading.Thread(target=library.load, name="otel_stream-prices", daemon=True)
    thread.start()
    return thread


def snapshot() -> Any:
    """Return the data in use (replaced as a whole by genai-prices' UpdatePrices), or None without it."""
    if not library.tried or library.snapshot is None:
        library.load()
    return None if library.snapshot is None else library.snapshot()


def find(data: Any, provider: str, models: tuple[str, ...]) -> Tariff | None:
    """Return the tariff of the first of the model names that is known or None.

    A provider that the table does not know, or whose API others imitate, is looked up by model name.
    """
    refs = tuple(dict.fromkeys(ref for model in models for ref in _spellings(model)))
    for vendor in _vendors(data.providers, provider, refs):
        for ref in refs:
            if model := vendor.find_model(ref, all_providers=data.providers):
                return tariff(model)
    return None


def _spellings(model: str) -> Iterator[str]:
    """Yield the name as it is, then without a path: `models/…`, `publishers/…/models/…`, ARNs, `vendor/…`."""
    model = model.lower()
    yield model
    if "/" in model:
        yield model.rpartition("/")[2]


def _vendors(providers: list[Any], provider: str, refs: tuple[str, ...]) -> Iterator[Any]:
    if provider.lower() in _SELF_HOSTED:
        return
    own = _vendor(providers, provider)
    if own is not None:
        yield own
        if own.id not in _SPEAKS_FOR_OTHERS:
            return
    for ref in refs:
        prefix, slash, _ = ref.partition("/")
        if slash and (named := _vendor(providers, prefix)) is not None:
            yield named
    for ref in refs:
        for vendor in providers:
            if vendor.model_match is not None and vendor.model_match.is_match(ref):
                yield vendor


def _vendor(providers: list[Any], name: str) -> Any:
    """Return the provider of that id, else the one that answers to the name, else None."""
    wanted = PROVIDER_IDS.get(name.lower(), name.lower())
    for vendor in providers:
        if vendor.id == wanted:
            return vendor
    for vendor in providers:
        if vendor.provider_match is not None and vendor.provider_match.is_match(wanted):
            return vendor
    return None


def tariff(model: Any) -> Tariff:
    """Return genai-prices' ModelInfo as a tariff."""
    if model.id.endswith(":free"):  # OpenRouter's word for models without a price
        return Tariff(((None, Tiers((_FREE,))),))
    if not isinstance(model.prices, list):
        return Tariff(((None, _tiers(model.prices)),))
    return Tariff(
        tuple(
            (row.constraint.active if row.constraint is not None else None, _tiers(row.prices))
            for row in model.prices
        )
    )


def _tiers(prices: Any) -> Tiers:
    found = {
        name: value for name, key in _PRICE_KEYS.items() if (value := getattr(prices, key, None)) is not None
    }
    requests = getattr(prices, "requests_kcount", None)
    request = requests / 1000 if isinstance(requests, Decimal) else None
    starts = sorted({tier.start for value in found.values() for tier in getattr(value, "tiers", ())})
    rates = [
        Rates(request=request, **{name: _above(value, start) for name, value in found.items()})
        for start in [-1, *starts]
    ]
    return Tiers(tuple(rates), tuple(starts))


def _above(value: Any, start: int) -> Decimal:
    """Return the rate that holds above `start` input tokens: a plain number, or one step of a tiered one."""
    rate: Decimal = getattr(value, "base", value)
    for tier in getattr(value, "tiers", ()):
        if tier.start <= start:
            rate = tier.price
    return rate
