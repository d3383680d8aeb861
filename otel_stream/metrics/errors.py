"""What an error was, in the eleven words of the `error_type` label.

Providers, HTTP and client libraries each have their own names; a dashboard needs a closed set.
The span keeps the original word in `error.type`.
"""

from __future__ import annotations

import re
from functools import lru_cache

ERROR_TYPES = (
    "rate_limit", "overloaded", "auth", "bad_request", "not_found", "server_error",
    "connection", "timeout", "content_filter", "protocol", "other",
)  # fmt: skip

_BY_OUTCOME = {"timeout": "timeout", "incomplete": "protocol"}

_FILTERED = re.compile(r"content.?(filter|policy)|safety|moderation|guardrail|responsible.?ai|blocked")

# A status that says it all; it wins over the word, which is often just "invalid_request_error".
_BY_STATUS = {
    401: "auth",
    403: "auth",
    404: "not_found",
    408: "timeout",
    429: "rate_limit",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",  # Anthropic
}

# The first row that is found in the lower-case word wins.
_BY_WORD = tuple(
    (re.compile(words), kind)
    for words, kind in (
        (r"rate.?limit|throttl|too.?many.?requests|quota|resource.?exhausted", "rate_limit"),
        (r"overloaded|unavailable|capacity|not.?ready", "overloaded"),
        (r"timeout|timed.?out|deadline", "timeout"),
        (r"auth|permission|forbidden|api.?key|access.?denied|unrecognized.?client|expired.?token", "auth"),
        (r"not.?found", "not_found"),
        (r"protocol|payload|decod|incomplete.?read|json|event.?stream", "protocol"),
        (
            r"connect|network|dns|gaierror|ssl|socket|broken.?pipe|reset|oserror|readerror|writeerror",
            "connection",
        ),
        (
            r"invalid|bad.?request|validation|unsupported|too.?(large|long)|context.?length|billing",
            "bad_request",
        ),
        (r"server|internal|api.?error|model.?(error|stream)", "server_error"),
    )
)


@lru_cache(maxsize=1024)
def classify(error_type: str | None, status: int | None, outcome: str) -> str:
    """Return the label value for an `error.type`, the HTTP status (None: none came) and the outcome."""
    word = (error_type or "").lower()
    if kind := _BY_OUTCOME.get(outcome):
        return kind
    if _FILTERED.search(word):
        return "content_filter"
    if word.isascii() and word.isdigit() and len(word) == 3:  # noqa: PLR2004 - an HTTP status as a word
        status, word = int(word), ""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    for words, kind in _BY_WORD:
        if words.search(word):
            return kind
    return _by_class(status)


def _by_class(status: int | None) -> str:
    if status is None or status < 400:  # noqa: PLR2004 - HTTP errors begin here
        return "other"
    return "bad_request" if status < 500 else "server_error"  # noqa: PLR2004 - the caller's fault, then theirs
