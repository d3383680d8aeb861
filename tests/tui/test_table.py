"""The table of streams: its cursor, scrolling and the mouse."""

from __future__ import annotations

import pytest
from screens import busy, showing


async def test_sorting_by_a_click_on_a_title():
    async with showing() as shown:
        busy(shown.told)
        await shown.settle()
        x = shown.lines()[2].index("tokens") + 1

        await shown.pilot.click("#table", offset=(x, 0))
        up = (shown.app.sorted_by, shown.app.descending)
        await shown.pilot.click("#table", offset=(x, 0))

        assert (up, shown.app.descending) == (("tokens", False), True)


async def test_titles_of_groups_sort_nothing():
    async with showing() as shown:
        busy(shown.told)
        await shown.press("g")

        await shown.pilot.click("#table", offset=(2, 0))

        assert shown.app.sorted_by == ""


async def test_the_cursor_stays_on_its_stream():
    async with showing() as shown:
        busy(shown.told)
        await shown.press("down")
        before = shown.app.table.selected

        shown.told.completed("req_00000001")
        await shown.settle()
        moved = shown.app.table.selected
        shown.told.model.dismiss(["req_00000001", "req_00000006"])
        shown.told.completed("req_00000002")
        shown.told.model.dismiss(["req_00000002"])
        await shown.settle()

        assert (before, moved) == ("req_00000002", "req_00000002")
        assert shown.app.table.selected == "req_00000003"


async def test_moving_through_more_streams_than_fit():
    async with showing(size=(80, 16)) as shown:
        for number in range(100):
            shown.told.started(f"req_{number:08}")
        await shown.settle()

        seen = []
        for keys in (["end"], ["pageup"], ["k"], ["home"], ["pagedown"], ["j"]):
            await shown.press(*keys)
            seen.append(shown.app.table.selected[-2:])
            assert seen[-1] in "".join(line[:8] for line in shown.lines())

        assert (seen[0], seen[3]) == ("99", "00")
        assert int(seen[2]) == int(seen[1]) - 1
        assert int(seen[5]) == int(seen[4]) + 1


async def test_choosing_with_the_mouse():
    async with showing() as shown:
        busy(shown.told)
        await shown.settle()

        await shown.pilot.click("#table", offset=(4, 3))
        chosen = shown.app.table.selected
        await shown.pilot.click("#table", offset=(4, 15))
        nothing = shown.app.table.selected
        await shown.pilot.click("#table", offset=(139, 0))
        await shown.pilot.double_click("#table", offset=(4, 3))

        assert (chosen, nothing) == ("req_00000003", "req_00000003")
        assert shown.app.screen.has_class("-following")


async def test_keys_without_streams_do_nothing():
    async with showing() as shown:
        await shown.press("down", "end", "enter", "d", "y", "x", "space", "space", "left_square_bracket")

        assert shown.app.table.selected == ""


async def test_until_somebody_chooses_the_cursor_is_on_the_top():
    async with showing() as shown:
        busy(shown.told)
        await shown.settle()
        first = shown.app.table.selected

        shown.told.completed(first)
        await shown.settle()
        next_one = shown.app.table.selected
        await shown.press("enter", "escape")
        shown.told.completed(next_one)
        await shown.settle()
        chosen = shown.app.table.selected
        await shown.press("escape")

        assert (first, next_one, chosen) == ("req_00000001", "req_00000002", "req_00000002")
        assert shown.app.table.selected == "req_00000003"


@pytest.mark.parametrize("width", [80, 90, 100, 140])
async def test_the_scrollbar_covers_no_column(width):
    async with showing(size=(width, 24)) as shown:
        for number in range(100):
            shown.told.started(f"req_{number:08}").wait(0.001)
        await shown.settle()

        at = next(number for number, line in enumerate(shown.lines()) if line.startswith("stream "))
        column = shown.lines()[at].rindex("age") + 3
        ages = {line[column - 6 : column].strip() for line in shown.lines()[at + 1 : at + 5]}

        assert all(age.endswith("s") for age in ages), ages
