from __future__ import annotations

import pytest

from otel_stream.partial_args import MAX_CHARACTERS, MAX_VALUES, PartialArg, PartialArguments


def arguments(*values):
    found = PartialArguments()
    for path, value in values:
        found.add(PartialArg(path, **value))
    return found.value()


def text(value):
    return {"string_value": value}


def test_values_are_put_at_their_paths():
    assert arguments(
        ("$.a", {"number_value": 1}), ("$.b.c", {"bool_value": False}), ("$.b.d", {}), ("$.e[0]", text("x")),
        ("$.e[1].f", text("y")), ("$['x y'][\"z\"]", {"number_value": 0.5}),
    ) == {"a": 1, "b": {"c": False, "d": None}, "e": ["x", {"f": "y"}], "x y": {"z": 0.5}}  # fmt: skip


def test_text_at_the_same_path_goes_behind_what_is_there():
    assert arguments(("$.a", text("Köl")), ("$.a", text("n")), ("$.a", text(""))) == {"a": "Köln"}


def test_the_halves_of_a_character_are_put_together():
    assert arguments(("$.a", text("\ud83d")), ("$.a", text("\ude00"))) == {"a": "😀"}
    assert arguments(("$.\ud83d", text("\ud83d"))) == {"\ufffd": "\ufffd"}


def test_nothing_at_all_is_an_empty_object():
    assert arguments() == {}


def test_a_huge_index_costs_nothing():
    assert arguments(("$.a[3000000]", text("x"))) == {"a": ["x"]}


def test_keys_and_indices_of_one_value_make_an_object():
    assert arguments(("$.a[0]", text("x")), ("$.a.b", text("y"))) == {"a": {"0": "x", "b": "y"}}


@pytest.mark.parametrize("path", ["$", "", "$" + ".a" * 65])
def test_a_path_without_steps_or_with_too_many_is_the_empty_key(path):
    assert arguments((path, text("x"))) == {"": "x"}


def test_a_path_through_a_value_is_passed_by():
    assert arguments(("$.a", {"number_value": 1}), ("$.a.b", text("x"))) == {"a": 1}
    assert arguments(("$.a", {"number_value": 1}), ("$.a", text("x"))) == {"a": 1}
    assert arguments(("$.a", text("x")), ("$.a.b", text("y"))) == {"a": "x"}


def test_values_and_text_beyond_the_caps_are_passed_by():
    many = [(f"$.a{n}", {"number_value": n}) for n in range(MAX_VALUES + 10)]

    assert len(arguments(*many)) == MAX_VALUES
    assert arguments(("$.a", text("x")), ("$.b", text("x" * MAX_CHARACTERS)), ("$.c", text("x"))) == {
        "a": "x"
    }
