"""The four formats in which agents' programs talk to their models, as far as a script needs them.

A step of a script is ``{"tool": NAME, "args": {…}}``, ``{"custom": NAME, "input": TEXT}`` (a tool
of the Responses API whose input is plain text) or ``{"text": TEXT}``, which ends the turn. With
``used`` it says that the conversation has so many tokens: a program may compact it then.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Step = dict[str, Any]
    Body = dict[str, Any]
    Event = tuple[str, dict[str, Any]]  # the name of the event, "" if the format has none
    Speaker = Callable[[Step, str], list[Event]]

_ANSWERED = 5  # tokens
# Copilot CLI offers tools when it compacts, too, and says in words that none may be called.
_NO_TOOLS = "Tools are unavailable in this step"


def speaker_of(path: str) -> Speaker | None:
    """What answers a request to this path, as a stream; None if the path is no model's."""
    last = path.partition("?")[0].rsplit("/", 1)[-1]
    return {"messages": _anthropic, "responses": _responses, "completions": _chat}.get(
        last, _gemini if last.endswith(":streamGenerateContent") else None
    )


def model_of(path: str, body: Body) -> str:
    """The model that is asked; Gemini names it in the path."""
    named = path.partition("?")[0].rsplit("/", 1)[-1].partition(":")[0]
    return str(body.get("model") or named)


def offers_tools(body: Body) -> bool:
    """Whether it is a turn of the agent. Titles and summaries are asked for without tools."""
    if _NO_TOOLS in user_words(body):
        return False
    given = body.get("input")
    items = given if isinstance(given, list) else []
    return bool(body.get("tools")) or any(
        one.get("type") == "additional_tools" for one in items if isinstance(one, dict)
    )


def user_words(body: Body) -> str:
    """What stands in the user's turns but for results of tools: prompts, and what hooks add."""
    turns = body.get("messages") or body.get("contents") or body.get("input") or []
    return "\n".join(
        text
        for turn in (turns if isinstance(turns, list) else [])
        if turn.get("role") in ("user", "system", "developer")
        for text in _texts(turn.get("content") or turn.get("parts"))
    )


def heard(body: Body) -> list[str]:
    """Every text of a request that the model has not said itself."""
    turns = body.get("messages") or body.get("contents") or body.get("input") or []
    others = [
        turn
        for turn in turns
        if turn.get("role") not in ("assistant", "model")
        and not str(turn.get("type", "")).endswith("_call")
    ]
    whole = [body.get(name) for name in ("system", "instructions", "systemInstruction")]
    return list(_leaves([*whole, others]))


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _leaves(part)


def told(body: Body) -> list[str]:
    """What the model was told after each use of a tool, in order: a request holds them all."""
    return [_plain(one) for one in _results(body)]


def _results(body: Body) -> Iterator[Any]:
    given = body.get("input")
    for item in given if isinstance(given, list) else []:
        if str(item.get("type", "")).endswith("_output"):
            yield item.get("output")
    for message in body.get("messages", []):
        if message["role"] == "tool":
            yield message["content"]
        content = message["content"] if isinstance(message["content"], list) else []
        for block in content:
            if block.get("type") == "tool_result":
                yield block.get("content")
    for content in body.get("contents", []):
        for part in content["parts"]:
            if "functionResponse" in part:
                yield part["functionResponse"]["response"]


def _plain(value: Any) -> str:
    """All texts inside a value, one below the other."""
    if isinstance(value, str):
        return value
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return "\n".join(text for part in parts if (text := _plain(part)))


def _texts(content: Any) -> list[str]:
    parts = content if isinstance(content, list) else [{"text": content}]
    return [one["text"] for one in parts if isinstance(one.get("text"), str)]


def _used(step: Step) -> dict[str, int]:
    used = step.get("used", 10)
    return {"input_tokens": used, "output_tokens": _ANSWERED, "total_tokens": used + _ANSWERED}


def _id(prefix: str) -> str:
    return prefix + uuid.uuid4().hex[:20]


def _anthropic(step: Step, model: str) -> list[Event]:
    if "text" in step:
        block: dict[str, Any] = {"type": "text", "text": ""}
        delta = {"type": "text_delta", "text": step["text"]}
    else:
        block = {"type": "tool_use", "id": _id("toolu_"), "name": step["tool"], "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(step["args"])}
    message: dict[str, Any] = {
        "id": _id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": model,
    }
    message |= {"content": [], "stop_reason": None, "stop_sequence": None, "usage": _used(step)}
    stop = "end_turn" if "text" in step else "tool_use"
    end = {"stop_reason": stop, "stop_sequence": None}
    events: list[Event] = [
        ("message_start", {"message": message}),
        ("content_block_start", {"index": 0, "content_block": block}),
        ("content_block_delta", {"index": 0, "delta": delta}),
        ("content_block_stop", {"index": 0}),
        ("message_delta", {"delta": end, "usage": {"output_tokens": _ANSWERED}}),
        ("message_stop", {}),
    ]
    return [(name, {"type": name, **data}) for name, data in events]


def _responses(step: Step, model: str) -> list[Event]:
    if "text" in step:
        said = {"type": "output_text", "text": step["text"], "annotations": []}
        item: dict[str, Any] = {"type": "message", "role": "assistant", "id": _id("msg_")}
        item["content"] = [said]
    elif "custom" in step:
        item = {"type": "custom_tool_call", "id": _id("ctc_"), "call_id": _id("call_")}
        item |= {"name": step["custom"], "input": step["input"]}
    elif "search" in step:
        item = {"type": "tool_search_call", "id": _id("tsc_"), "call_id": _id("call_")}
        item |= {"execution": "client", "status": "completed"}
        item |= {"arguments": {"query": step["search"], "limit": 20}}
    else:
        item = {"type": "function_call", "id": _id("fc_"), "call_id": _id("call_")}
        item |= {"name": step["tool"], "arguments": json.dumps(step["args"])}
        if "namespace" in step:
            item["namespace"] = step["namespace"]
    whole: dict[str, Any] = {
        "id": _id("resp_"),
        "object": "response",
        "model": model,
        "output": [item],
    }
    whole |= {"status": "completed", "usage": _used(step)}
    events: list[Event] = [
        ("response.created", {"response": {"id": whole["id"]}}),
        ("response.output_item.added", {"output_index": 0, "item": item}),
        ("response.output_item.done", {"output_index": 0, "item": item}),
        ("response.completed", {"response": whole}),
    ]
    return [(name, {"type": name, **data}) for name, data in events]


def _chat(step: Step, model: str) -> list[Event]:
    message: dict[str, Any] = {"role": "assistant", "content": step.get("text")}
    if "tool" in step:
        function = {"name": step["tool"], "arguments": json.dumps(step["args"])}
        call = {"index": 0, "id": _id("call_"), "type": "function", "function": function}
        message["tool_calls"] = [call]
    stop = "stop" if "text" in step else "tool_calls"
    chunk = {"id": _id("chatcmpl-"), "created": 1, "model": model}
    chunk["object"] = "chat.completion.chunk"
    used, answered, total = _used(step).values()
    usage = {"prompt_tokens": used, "completion_tokens": answered, "total_tokens": total}
    first = {"index": 0, "delta": message, "finish_reason": None}
    last = {"index": 0, "delta": {}, "finish_reason": stop}
    return [("", {**chunk, "choices": [first]}), ("", {**chunk, "choices": [last], "usage": usage})]


def _gemini(step: Step, model: str) -> list[Event]:
    call = {"functionCall": {"name": step.get("tool"), "args": step.get("args")}}
    parts = [{"text": step["text"]}] if "text" in step else [call]
    content = {"role": "model", "parts": parts}
    used, answered, total = _used(step).values()
    usage = {"promptTokenCount": used, "candidatesTokenCount": answered, "totalTokenCount": total}
    candidate = {"index": 0, "finishReason": "STOP", "content": content}
    return [("", {"candidates": [candidate], "modelVersion": model, "usageMetadata": usage})]
