from __future__ import annotations

import base64
import hashlib
import re

from otel_stream.live import page


def test_the_page_runs_its_own_script_and_no_other():
    text = page.load()
    policy = page.headers()["content-security-policy"]

    scripts = re.findall(rb"<script>(.*?)</script>", text, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(script).digest()).decode() for script in scripts]

    assert len(digests) == 1
    assert f"script-src 'sha256-{digests[0]}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_the_page_needs_nothing_from_elsewhere():
    """No scripts, styles, fonts or pictures of other origins, and no attribute the policy would forbid."""
    text = page.load().decode()

    assert not re.findall(r"(?:src|href)\s*=", text.replace('href="data:', ""))
    assert "@import" not in text
    assert not re.findall(r"""https?://(?!www\.w3\.org/|127\.0\.0\.1|localhost)[^\s"'`]+""", text)
    assert not re.findall(r"\son\w+\s*=\s*\"", text)
    assert not re.findall(r"<[^>]+\sstyle=", text)


def test_the_page_puts_strangers_text_nowhere_as_markup():
    text = page.load().decode()

    assert not re.findall(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text
    )
