"""The followed text and the details."""

from __future__ import annotations

from screens import busy, showing


async def test_followed_text_stays_at_its_end_and_can_be_scrolled():
    async with showing(size=(60, 20)) as shown:
        told = shown.told.started("req_1")
        for number in range(100):
            told.said(f"line {number}\n", "req_1")
        await shown.press("enter")
        end = shown.picture()

        await shown.press("home")
        told.said("line 100\n", "req_1")
        await shown.settle()
        begin = shown.picture()
        await shown.press("end")
        told.said("line 101\n", "req_1")
        await shown.settle()

        assert "line 99" in end
        assert "line 0\n" in begin
        assert "line 100" not in begin
        assert "line 101" in shown.picture()


async def test_thinking_and_tool_calls_are_folded_until_asked_for():
    async with showing() as shown:
        busy(shown.told)
        await shown.press("down")
        folded = shown.picture()

        await shown.press("f")

        assert "▸ thinking, 666 characters" in folded
        assert "▸ tool call, 16 characters" in folded
        await shown.looks_like("unfolded")


async def test_withheld_text_is_explained():
    async with showing() as shown:
        shown.told.snapshot()
        info = shown.app.model.feeds["4711"].info
        shown.app.model.feeds["4711"].info = type(info)(info.pid, info.service, info.epoch, text=False)
        shown.told.started("req_1").said("", "req_1", length=5)
        await shown.settle()

        assert "text off" in shown.picture()
        assert "▸ text, 5 characters" in shown.picture()
        assert "this gateway keeps text off the live feed (OTEL_STREAM_LIVE_TEXT)" in shown.picture()
