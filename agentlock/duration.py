"""Durations as people write them: ``90s``, ``45m``, ``2h``, ``1h30m``, ``1d``."""

from __future__ import annotations

from agentlock.errors import UsageError
from agentlock.model import MICROSECONDS

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = 366 * 86400 * MICROSECONDS
_EXAMPLES = "write it like 90s, 45m, 2h, 1h30m or 1d"


def parse_duration(text: str) -> int:
    """The microseconds of a text such as ``45m`` or ``1h30m``; UsageError for any other text."""
    seconds, rest, units = 0, text, "dhms"
    while rest and units:
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        unit = rest[len(digits) : len(digits) + 1]
        if not digits or len(digits) > 9 or not unit or unit not in units:
            break
        seconds += int(digits) * _UNITS[unit]
        rest = rest[len(digits) + 1 :]
        units = units[units.index(unit) + 1 :]  # the larger unit comes first, and each once
    if rest or not text:
        raise UsageError(f"invalid duration {text!r}", fix=_EXAMPLES)
    if seconds * MICROSECONDS > _LONGEST:
        raise UsageError(f"{text!r} is more than a year", fix=_EXAMPLES)
    return seconds * MICROSECONDS


def parse_timeout(text: str) -> int:
    """Like parse_duration; a bare number, with or without a fraction, counts seconds."""
    try:
        seconds = float(text)
    except ValueError:
        return parse_duration(text)
    if not 0 <= seconds <= 86400:
        raise UsageError(f"invalid time-out {text!r}", fix=_EXAMPLES)
    return int(seconds * MICROSECONDS)


def format_duration(duration: int) -> str:
    """An exact text in the largest unit, the inverse of parse_duration: 5400 s is ``90m``."""
    seconds = duration // MICROSECONDS
    for unit, least in (("d", 2 * 86400), ("h", 3600), ("m", 60)):
        if seconds >= least and seconds % _UNITS[unit] == 0:
            return f"{seconds // _UNITS[unit]}{unit}"
    return f"{seconds}s"


def format_left(duration: int) -> str:
    """Time left, to the minute and in at most two units: ``1d3h``, ``1h59m``, ``42m``, ``90s``."""
    seconds = -(-max(duration, 0) // MICROSECONDS)
    if seconds < 120:
        return f"{seconds}s"
    for large, small in (("d", "h"), ("h", "m")):
        count, rest = divmod(seconds, _UNITS[large])
        if count:
            more = rest // _UNITS[small]
            return f"{count}{large}{more}{small}" if more else f"{count}{large}"
    return f"{seconds // 60}m"


def format_remaining(duration: int) -> str:
    """Time left, in the largest unit that keeps two figures: ``42m``, ``3h``, ``90s``."""
    seconds = -(-duration // MICROSECONDS)
    for unit, least in (("d", 2 * 86400), ("h", 2 * 3600), ("m", 120)):
        if seconds >= least or seconds == _UNITS[unit]:
            return f"{seconds // _UNITS[unit]}{unit}"
    return f"{max(seconds, 0)}s"
