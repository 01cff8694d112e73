"""JSON without the module ``json``, which loads ``re`` and would cost an edit hook a third more."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_SPACE = " \t\r\n"


class _Strict:
    """What the scanner of CPython's own decoder is told (json/decoder.py, JSONDecoder)."""

    strict = False
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float
    memo: Mapping[str, str] = {}


def loads(text: str) -> Any:
    """The value that the text stands for; ValueError if it is no JSON."""
    try:
        from _json import make_scanner

        scan = make_scanner(_Strict())  # type: ignore[arg-type]
    except (ImportError, AttributeError, TypeError):  # another interpreter, or a later one
        from json import loads as read

        return read(text)
    start = len(text) - len(text.lstrip(_SPACE))
    try:
        value, end = scan(text, start)
    except StopIteration as stop:
        raise ValueError(f"nothing that begins a value at character {stop.value}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if text[end:].strip(_SPACE):
        raise ValueError(f"more than one value, at character {end}")
    return value


def dumps(value: Any) -> str:
    """The JSON of texts, numbers, and dicts of them."""
    from _json import encode_basestring_ascii as quoted

    if isinstance(value, str):
        return str(quoted(value))
    if isinstance(value, dict):
        return "{" + ", ".join(f"{dumps(name)}: {dumps(one)}" for name, one in value.items()) + "}"
    return str(value)
