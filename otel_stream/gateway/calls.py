"""`gateway_call` and `private`: say who is asking, where no server tap does or it knows less than you."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TypeAlias

from otel_stream import call, runtime
from otel_stream._guard import guarded
from otel_stream.call import CallContext
from otel_stream.identity import Who
from otel_stream.outcome import ending_of

Headers: TypeAlias = Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]
"""A mapping, or pairs as ASGI and WSGI servers have them; names in any case."""


class GatewayCall:
    """One request to the gateway, as `with` or `async with`. Made by `gateway_call`; enter it once."""

    def __init__(self, context: CallContext) -> None:
        self.context = context
        self._block: AbstractContextManager[CallContext] | None = None

    def __enter__(self) -> CallContext:
        self._block = call.entered(self.context)
        return self._block.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and ending_of(error) == "cancelled":
            self.context.hang_up()
        self._count(error)
        self.context.end()
        if self._block is not None:
            self._block.__exit__(None, None, None)

    @guarded("gateway.call")
    def _count(self, error: BaseException | None) -> None:
        """Count the call, unless it is part of one that a server tap counts."""
        ours = runtime.current()
        if self.context.outer is None and ours is not None and ours.metrics is not None:
            ours.metrics.call_ended(self.context, error=error)

    async def __aenter__(self) -> CallContext:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


def gateway_call(
    headers: Headers | None = None,
    *,
    agent_type: str | None = None,
    tenant: str | None = None,
    session_id: str | None = None,
    request_id: str | None = None,
    private: bool = False,
) -> GatewayCall:
    """Return a context manager inside which upstream streams are attributed to this request.

    What is not given is found in `headers` (docs/gateways.md), then taken from the call around, if any.
    `request_id` is the gateway's own id of the request, `call_id` in events. `private` keeps the text of
    the answers out of all events. A worker that serves a queue enters it for each item.
    """
    given = Who(agent_type, tenant, session_id, request_id, private)
    return GatewayCall(CallContext(_lower(headers) or {}, given=given, outer=call.current()))


def private() -> AbstractContextManager[CallContext]:
    """Return a context manager inside which the text of answers stays out of all events; lengths stay in."""
    given = Who(private=True)
    return call.entered(CallContext(given=given, outer=call.current(), identified=False))


@guarded("gateway.headers")
def _lower(headers: Headers | None) -> dict[str, str]:
    """Return the headers with lower-case names; of several of one name the first counts."""
    if headers is None:
        return {}
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return {_text(name).lower(): _text(value) for name, value in reversed([*pairs])}


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
