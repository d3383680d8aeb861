"""The user's price file: JSON or TOML, checked as a whole when it is read (docs/metrics.md).

    {"prices": [{"provider": "openai", "model": "my-llama-*", "input": 0.2, "output": 0.6}]}

USD per million tokens; `provider` and `model` are globs, case is ignored, the first row that fits wins.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from otel_stream.config import SettingError
from otel_stream.pricing.rates import Rates, Tariff, flat

RATES = ("input", "output", "cache_read", "cache_write")
KEYS = ("provider", "model", *RATES)
MAX_RATE = 1_000_000  # a dollar a token: whoever is above it mistook the unit
VARIABLE = "OTEL_STREAM_PRICES"


class Row(NamedTuple):
    """One row of the file, in the order of the file."""

    provider: str
    model: str
    tariff: Tariff

    def fits(self, provider: str, model: str) -> bool:
        return fnmatchcase(provider.lower(), self.provider) and fnmatchcase(model.lower(), self.model)


def read(path: str) -> tuple[Row, ...]:
    """Return the rows of the file.

    Raises: SettingError when it cannot be read or holds anything we would have to guess at; the message
    names the file, the place in it and what is allowed there.
    """
    content = _parse(path)
    if not isinstance(content, dict) or set(content) != {"prices"} or not isinstance(content["prices"], list):
        _refuse(path, "the top level", "must be one key 'prices' with a list of rows", content)
    return tuple(_row(path, f"prices[{at}]", row) for at, row in enumerate(content["prices"]))


def _parse(path: str) -> Any:
    try:
        text = Path(path).read_text(encoding="utf-8")
        if path.lower().endswith(".toml"):
            return _toml(path, text)
        return json.loads(text, parse_float=Decimal, parse_int=Decimal)
    except (OSError, ValueError) as error:
        if isinstance(error, SettingError):
            raise
        raise SettingError(f"{VARIABLE}: cannot read {path}: {error}") from None


def _toml(path: str, text: str) -> Any:
    try:
        tomllib = import_module("tomllib")
    except ImportError:
        raise SettingError(f"{VARIABLE}: {path}: TOML needs Python 3.11 or newer; write it as JSON") from None
    return tomllib.loads(text, parse_float=Decimal)


def _row(path: str, place: str, row: Any) -> Row:
    if not isinstance(row, Mapping):
        _refuse(path, place, "must be a table", row)
    for key in row:
        if key not in KEYS:
            _refuse(path, f"{place}.{key}", f"is no key of a price; there are {', '.join(KEYS)}", row[key])
    for key in ("provider", "model"):
        if not isinstance(row.get(key, "*"), str) or not row.get(key, "*").strip():
            _refuse(path, f"{place}.{key}", "must be a glob such as 'gpt-4o*'", row[key])
    if "model" not in row:
        _refuse(path, f"{place}.model", "is missing; it is a glob such as 'gpt-4o*'", None)
    rates = {key: _rate(path, f"{place}.{key}", row[key]) for key in RATES if key in row}
    if not {"input", "output"} & set(rates):
        _refuse(path, place, "needs 'input' or 'output', in USD per million tokens", dict(row))
    return Row(row.get("provider", "*").strip().lower(), row["model"].strip().lower(), flat(Rates(**rates)))


def _rate(path: str, place: str, value: Any) -> Decimal:
    rate = Decimal(value) if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else None
    if rate is None or not rate.is_finite() or not 0 <= rate <= MAX_RATE:
        _refuse(path, place, f"must be a number from 0 to {MAX_RATE}, in USD per million tokens", value)
    return rate


def _refuse(path: str, place: str, rule: str, value: Any) -> NoReturn:
    got = "" if value is None else f"; got {_shown(value)}"
    raise SettingError(f"{VARIABLE}: {path}: {place} {rule}{got}")


def _shown(value: Any) -> str:
    text = str(value) if isinstance(value, Decimal) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."  # noqa: PLR2004 - fits a log line
