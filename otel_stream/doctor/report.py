"""What the doctor found, for people and as JSON. The checks beside this module return findings."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from otel_stream.instrumentation.status import Status
from otel_stream.terminal import harmless

_MARKS = {"ok": "ok", "note": "--", "problem": "!!"}
_SUBJECT = 16  # columns
_WIDTH = 110


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line: `ok`, a `note` that may matter, or a `problem`, which stands in the way."""

    level: Literal["ok", "note", "problem"]
    subject: str
    text: str
    cure: str = ""


class Section(msgspec.Struct, frozen=True, omit_defaults=True):
    """Findings about one environment or process; `status` is what that process says of itself."""

    title: str
    findings: list[Finding]
    status: Status | None = None


def ok(subject: str, text: str) -> Finding:
    return Finding("ok", subject, text)


def note(subject: str, text: str, cure: str = "") -> Finding:
    return Finding("note", subject, text, cure)


def problem(subject: str, text: str, cure: str = "") -> Finding:
    return Finding("problem", subject, text, cure)


def problems(sections: Iterable[Section]) -> int:
    """Return how many things stand in the way."""
    return sum(finding.level == "problem" for section in sections for finding in section.findings)


def as_text(sections: list[Section]) -> str:
    """Return the report for a terminal, without anything that a terminal would obey."""
    lines = [line for section in sections for line in (*_section(section), "")]
    count = problems(sections)
    things = "1 thing stands" if count == 1 else f"{count} things stand"
    lines.append(f"{things} in the way, marked !!" if count else "nothing stands in the way")
    return "\n".join(lines)


def as_json(sections: list[Section]) -> str:
    """Return the report as JSON: `ok`, and the sections with their findings."""
    told = {"ok": not problems(sections), "sections": sections}
    return msgspec.json.format(msgspec.json.encode(told)).decode()


def _section(section: Section) -> Iterator[str]:
    yield harmless(section.title)
    for finding in section.findings:
        subject = harmless(finding.subject)
        head = f"  {_MARKS[finding.level]} {subject:{_SUBJECT}} "
        yield from _wrapped(head, finding.text)
        if finding.cure:
            yield from _wrapped(" " * (_SUBJECT + 6) + "→ ", finding.cure)


def _wrapped(head: str, text: str) -> Iterator[str]:
    """Yield the text in lines; nothing that could be copied, a path or a command, is cut."""
    rest = " " * len(head)
    yield from textwrap.wrap(
        head + harmless(text),
        width=_WIDTH,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    )
