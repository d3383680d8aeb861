"""Strangers' text on the screen, and what tells states apart."""

from __future__ import annotations

import re

from screens import busy, showing


async def test_what_a_model_writes_cannot_touch_the_terminal():
    """OSC 52 writes the clipboard, others move the cursor, set the title or hide text."""
    hostile = "a\x1b]52;c;QUJD\x07b\x1b[2J\x1b[1;1Hc\x9b31md\x1b]0;title\x07e\u202ef[bold]g[/]\rh"
    async with showing() as shown:
        shown.told.started("req_\x1b[2J", hostile, provider=hostile, agent_type=hostile, tenant=hostile)
        shown.told.said(hostile, "req_\x1b[2J").failed("req_\x1b[2J", hostile, error_type=hostile)
        shown.told.model.feed(hostile).link = "refused"
        await shown.settle()
        await shown.press("enter")

        picture = shown.picture()

        assert not re.findall(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", picture)
        assert "a·]52;c;QUJD·b·[2J·[1;1Hc·31md·]0;title·e·f[bold]g[/] h" in picture


async def test_colour_is_never_the_only_signal(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    async with showing() as shown:
        busy(shown.told)
        await shown.settle()

        assert shown.app.no_color
        await shown.looks_like("overview")


async def test_states_have_the_themes_colours():
    async with showing() as shown:
        busy(shown.told)
        await shown.settle()
        styles = {
            segment.text.strip(): segment.style
            for strip in shown.app.screen._compositor.render_strips(shown.app.size)
            for segment in strip
        }

    assert styles["✗ error"].color != styles["● streaming"].color
