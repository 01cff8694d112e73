"""Makes tools of functions: each call in a thread of its own, and each error as a result."""

from __future__ import annotations

import functools
import inspect
import json
from typing import TYPE_CHECKING, Annotated, Any

import anyio.to_thread
from mcp_types import CallToolResult, TextContent, ToolAnnotations

from agentlock.bug import report_bug
from agentlock.errors import EXIT_BUG, AgentlockError
from agentlock.shapes import error_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mcp.server import MCPServer

_MOST_AT_ONCE = 20  # calls; each has a connection to the table
_MOST_WAITING = 1_000
_HINTS = "agentlock_hints"


Shape = dict[str, Any]
"""One of the shapes of agentlock/shapes.py."""


def tool(
    result: Any,
    *,
    reads: bool = False,
    ends_others: bool = False,
    again: bool = True,
    waits: bool = False,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Mark a method as a tool, whose ``result`` is of a type in agentlock/mcp/types.py.

    ``reads``: it changes nothing. ``ends_others``: it can destroy what another agent relies on.
    ``again``: to call it twice does what one call does. ``waits``: it may take most of a minute.
    """
    hints = ToolAnnotations(
        read_only_hint=reads,
        destructive_hint=ends_others,
        idempotent_hint=reads or again,
        open_world_hint=False,
    )

    def marked(function: Callable[..., Any]) -> Callable[..., Any]:
        setattr(function, _HINTS, (result, hints, waits))
        return function

    return marked


class Calls:
    """Runs the calls of one server: short ones a few at a time, those that wait without a limit."""

    def __init__(self) -> None:
        self._short = anyio.CapacityLimiter(_MOST_AT_ONCE)
        self._long = anyio.CapacityLimiter(_MOST_WAITING)

    def add_all(self, server: MCPServer[Any], tools: object) -> None:
        """Offer every method of ``tools`` that is marked as a tool.

        Its ``error_shape``, if it has one, says how errors are shown.
        """
        shown = getattr(tools, "error_shape", error_json)
        for name, function in vars(type(tools)).items():
            if hasattr(function, _HINTS):
                result, hints, waits = getattr(function, _HINTS)
                limiter = self._long if waits else self._short
                call = _call(getattr(tools, name), result, limiter, shown)
                described = inspect.cleandoc(function.__doc__ or "")
                server.add_tool(call, name.rstrip("_"), annotations=hints, description=described)


def _call(
    function: Callable[..., Any],
    result: Any,
    limiter: anyio.CapacityLimiter,
    shown: Callable[[AgentlockError], Shape],
) -> Callable[..., Awaitable[CallToolResult]]:
    @functools.wraps(function)
    async def call(**arguments: Any) -> CallToolResult:
        done = functools.partial(function, **arguments)
        try:
            return answered(await anyio.to_thread.run_sync(done, limiter=limiter))
        except AgentlockError as error:
            return failed(shown(error))
        except Exception as error:  # noqa: BLE001 -- a bug: a log to attach, never a traceback
            bug = AgentlockError(await anyio.to_thread.run_sync(report_bug, error))
            bug.kind, bug.exit_code = "bug", EXIT_BUG
            return failed(shown(bug))

    call.__annotations__ = {**function.__annotations__, "return": Annotated[CallToolResult, result]}
    signature = inspect.signature(function)
    call.__signature__ = signature.replace(  # type: ignore[attr-defined]
        return_annotation=Annotated[CallToolResult, result]
    )
    return call


def answered(shape: Any) -> CallToolResult:
    """The result of a call, as text and as data; a list stands under ``result``."""
    shape = sendable(shape)
    structured = {"result": shape} if isinstance(shape, list) else shape
    return CallToolResult(content=[_text(shape)], structured_content=structured)


def failed(shape: Shape) -> CallToolResult:
    """An error, as text only: the SDK for TypeScript holds all data against the tool's schema."""
    return CallToolResult(content=[_text(sendable(shape))], is_error=True)


def _text(shape: Any) -> TextContent:
    return TextContent(type="text", text=json.dumps(shape, indent=1, ensure_ascii=False))


def sendable(shape: Any) -> Any:
    r"""The same, in which a byte that is not UTF-8 is written like ``\xe9``: JSON here is UTF-8."""
    if isinstance(shape, str):
        if shape.isascii():
            return shape
        return shape.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if isinstance(shape, dict):
        return {key: sendable(value) for key, value in shape.items()}
    return [sendable(one) for one in shape] if isinstance(shape, list | tuple) else shape
