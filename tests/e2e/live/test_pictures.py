"""The pictures in the docs can be taken again, and nothing in them comes from elsewhere."""

from __future__ import annotations

import re

import pytest
from e2e import pictures

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("default")]


def test_screen_and_page_are_taken_of_the_running_demo(tmp_path):
    pictures.take_both(tmp_path)

    screen = (tmp_path / "top.svg").read_text("utf-8").replace("&#160;", " ")
    assert re.search(r">[1-9]\d* in flight<", screen)
    assert "demo-gateway" in screen
    assert "url(http" not in screen
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")
