from __future__ import annotations

import generated
import pytest


@pytest.mark.parametrize("path", generated.FILES)
def test_a_published_file_is_what_the_code_says(path):
    assert (generated.ROOT / path).read_text("utf-8") == generated.FILES[path](), "run: make docs"


@pytest.mark.parametrize(("page", "name"), generated.TABLES)
def test_a_table_in_the_docs_is_what_the_code_says(page, name):
    assert generated.table_of(page, name) == generated.TABLES[page, name](), "run: make docs"
