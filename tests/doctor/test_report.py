from __future__ import annotations

import json

import pytest

from otel_stream.doctor.report import Section, as_json, as_text, note, ok, problem, problems

FINE = Section("Here", [ok("Python", "3.11"), note("extras", "live no", "pip install x")])
BAD = Section("There", [problem("/metrics", "taken", "another port"), problem("live feed", "closed")])


def test_each_finding_is_a_line_with_its_cure_below():
    assert as_text([FINE]).splitlines() == [
        "Here",
        "  ok Python           3.11",
        "  -- extras           live no",
        "                      → pip install x",
        "",
        "nothing stands in the way",
    ]


@pytest.mark.parametrize(
    ("sections", "count", "words"),
    [
        ([FINE], 0, "nothing stands in the way"),
        ([Section("There", BAD.findings[:1])], 1, "1 thing stands in the way, marked !!"),
        ([FINE, BAD], 2, "2 things stand in the way, marked !!"),
    ],
)
def test_the_end_says_how_many_things_stand_in_the_way(sections, count, words):
    assert (problems(sections), as_text(sections).splitlines()[-1]) == (count, words)


def test_long_lines_are_wrapped_under_their_beginning_and_no_command_is_cut():
    lines = as_text([Section("Here", [note("x", "word " * 30, "p" * 120)])]).splitlines()

    assert max(map(len, lines[:3])) <= 110
    assert lines[2].startswith(" " * 22 + "word")
    assert "p" * 120 in lines[-3] + lines[-4]


def test_nothing_a_terminal_would_obey_is_printed():
    text = as_text([Section("a\x1b]0;b\x07", [problem("c\x1b[2J", "d\x1b[31m", "e\x9b1m")])])

    assert not {"\x1b", "\x9b", "\x07"} & set(text)


@pytest.mark.parametrize(("sections", "well"), [([FINE], True), ([FINE, BAD], False)])
def test_json_has_all_of_it(sections, well):
    told = json.loads(as_json(sections))

    assert told["ok"] is well
    assert told["sections"][0] == {
        "title": "Here",
        "findings": [
            {"level": "ok", "subject": "Python", "text": "3.11"},
            {"level": "note", "subject": "extras", "text": "live no", "cure": "pip install x"},
        ],
    }
