from __future__ import annotations

import msgspec
import pytest

from otel_stream.cohere import CohereUsage, cohere_usage

USED = {"input_tokens": 9, "output_tokens": 4}
BILLED = {"input_tokens": 3, "output_tokens": 2}


@pytest.mark.parametrize(
    ("told", "tokens"),
    [
        ({"tokens": USED, "billed_units": BILLED, "cached_tokens": 5}, (9, 4, 5)),
        ({"billed_units": BILLED}, (3, 2, None)),
        ({"tokens": {"input_tokens": 7.0, "output_tokens": 1e300}}, (7, None, None)),
    ],
)
def test_tokens_used_win_over_those_billed(told, tokens):
    usage = cohere_usage(msgspec.convert(told, CohereUsage))

    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens) == tokens


@pytest.mark.parametrize("found", [None, CohereUsage(), CohereUsage(cached_tokens=5)])
def test_nothing_told_is_no_usage(found):
    assert cohere_usage(found) is None
