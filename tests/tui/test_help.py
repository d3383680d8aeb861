from __future__ import annotations

from screens import showing


async def test_help_tells_keys_signs_and_filters():
    async with showing(size=(140, 46)) as shown:
        await shown.press("question_mark")
        await shown.looks_like("help")

        await shown.press("escape")

        assert shown.app.table.has_focus
