"""The screen behind `?`: keys, signs and the filter language."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from otel_stream.tui.filter import NUMBERS, TEXTS
from otel_stream.tui.words import SYMBOLS

KEYS = """\
  ↑ ↓ j k      choose a stream            Enter   follow its text; Esc goes back
  /            filter                     :       all commands
  s  S         sort by the next column, the other way round (or click a title)
  e            errors only                g       group by model, provider, agent ...
  d  D         dismiss this stream if it ended, all that ended
  p            pause: the picture stands, nothing is lost
  f            unfold thinking and tool calls
  o            open the trace             y  Y    copy id, text
  x  X         export as JSON lines, as OTLP
  r            record what happens to a file; --replay shows it again
  [  ]         replay slower, faster
  1 2 3 4 5    totals, table, text, details, notes on and off
  Tab          to the text and the details, to scroll them
  q            quit"""

FILTERS = """\
  model:gpt              contains; model:gpt,claude any of them; model=gpt-4o exactly
  cost>0.05 ttft>2s      compares; ms, s, m and k are understood
  -state:completed       a - in front turns it around
  acme                   a word alone is looked for everywhere"""


def text() -> str:
    """Return the help."""
    signs = "  ".join(f"{sign} {state}" for state, sign in SYMBOLS.items())
    return "\n".join((
        "Keys",
        KEYS,
        "",
        "Filter",
        FILTERS,
        f"  text     {' '.join(TEXTS)}",
        f"  numbers  {' '.join(NUMBERS)}",
        "",
        "Signs",
        *(f"  {line}" for line in _wrapped(signs, 74)),
        "  ~ estimated: one token for four characters until the provider has counted",
        "  ! a limit is crossed      missed: events that never arrived here",
    ))  # fmt: skip


def _wrapped(words: str, width: int) -> list[str]:
    lines = [""]
    for word in words.split("  "):
        if len(lines[-1]) + len(word) + 2 > width:
            lines.append("")
        lines[-1] += f"{word}  "
    return [line.rstrip() for line in lines]


class Help(ModalScreen[None]):
    """Any of its keys closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q,enter", "dismiss", "close")]

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static(text(), markup=False)
