"""The user's price file: what it may say, and what is said about what it may not."""

from __future__ import annotations

import sys
from decimal import Decimal

import pytest

from otel_stream.config import SettingError
from otel_stream.meaning import Usage
from otel_stream.pricing import file


@pytest.fixture
def write(tmp_path):
    def write(text: str, name: str = "prices.json") -> str:
        path = tmp_path / name
        path.write_text(text, "utf-8")
        return str(path)

    return write


def test_a_row_gives_rates_for_a_provider_and_a_model(write):
    (row,) = file.read(
        write(
            '{"prices": [{"provider": "openai", "model": "m", "input": 1, "output": 2.5,'
            ' "cache_read": 0.1, "cache_write": 0}]}'
        )
    )
    usage = Usage(
        input_tokens=3_000_000, output_tokens=2_000_000, cache_read_tokens=1_000_000, cache_write_tokens=1
    )

    assert (row.provider, row.model) == ("openai", "m")
    assert Decimal("1.999999") + 5 + Decimal("0.1") == row.tariff.cost(usage)


@pytest.mark.parametrize(
    ("provider", "model", "fits"),
    [
        ("openai", "my-llama-8b", True),
        ("OpenAI", "MY-LLAMA", True),
        ("openai", "llama", False),
        ("x", "my-llama", False),
    ],
)
def test_names_are_globs_and_case_is_ignored(write, provider, model, fits):
    (row,) = file.read(write('{"prices": [{"provider": "open*", "model": "My-Llama*", "input": 1}]}'))

    assert fits is row.fits(provider, model)


def test_a_row_without_a_provider_is_for_all(write):
    (row,) = file.read(write('{"prices": [{"model": "m", "output": 1}]}'))

    assert row.fits("anybody", "m")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib came with Python 3.11")
def test_toml_says_the_same(write):
    (row,) = file.read(write('[[prices]]\nmodel = "m"\ninput = 0.1\noutput = 2', "prices.toml"))

    assert Decimal("2.1") == row.tariff.cost(Usage(input_tokens=1_000_000, output_tokens=1_000_000))


def test_toml_on_an_old_python_is_refused_with_the_cure(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "tomllib", None)

    with pytest.raises(
        SettingError, match=r"prices\.toml: TOML needs Python 3\.11 or newer; write it as JSON"
    ):
        file.read(write("", "prices.toml"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"cannot read .*prices\.json: "),
        ("[]", r"the top level must be one key 'prices' with a list of rows; got \[\]"),
        ('{"price": []}', "the top level must be one key 'prices'"),
        ('{"prices": {}}', "the top level must be one key 'prices'"),
        ('{"prices": [1]}', r"prices\[0\] must be a table; got 1"),
        ('{"prices": [{"input": 1}]}', r"prices\[0\]\.model is missing"),
        (
            '{"prices": [{"model": "", "input": 1}]}',
            r"prices\[0\]\.model must be a glob such as 'gpt-4o\*'; got ''",
        ),
        (
            '{"prices": [{"model": "m", "provider": 3, "input": 1}]}',
            r"prices\[0\]\.provider must be a glob .* got 3",
        ),
        (
            '{"prices": [{"model": "m", "inptu": 1}]}',
            r"prices\[0\]\.inptu is no key of a price; there are provider, model, input, output, cache_",
        ),
        (
            '{"prices": [{"model": "m", "input": 1}, {"model": "m"}]}',
            r"prices\[1\] needs 'input' or 'output'",
        ),
        (
            '{"prices": [{"model": "m", "input": "1"}]}',
            r"prices\[0\]\.input must be a number from 0 to .*; got '1'",
        ),
        ('{"prices": [{"model": "m", "input": -1}]}', r"input must be a number from 0 to .*; got -1"),
        ('{"prices": [{"model": "m", "input": NaN}]}', r"input must be a number from 0 to .*; got nan"),
        (
            '{"prices": [{"model": "m", "input": 1e7}]}',
            r"input must be a number from 0 to 1000000, in USD per million",
        ),
        ('{"prices": [{"model": "m", "input": true}]}', r"input must be a number from 0 to .*; got True"),
        ('{"prices": [{"model": "m", "input": null}]}', r"input must be a number from 0 to "),
    ],
)
def test_what_would_have_to_be_guessed_is_refused(write, text, message):
    path = write(text)

    with pytest.raises(SettingError, match=message) as refused:
        file.read(path)

    assert str(refused.value).startswith("OTEL_STREAM_PRICES: ")
    assert path in str(refused.value)


def test_long_values_are_cut_in_the_message(write):
    path = write('{"prices": ["%s"]}' % ("x" * 500))

    with pytest.raises(SettingError, match=r"got 'x{70,76}\.\.\.$"):
        file.read(path)
