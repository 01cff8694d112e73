"""Moments as Agent Mail writes them, in text, without ``datetime``: a hook is in a hurry."""

from __future__ import annotations

import time

_MICROSECONDS = 1_000_000
_DIGITS = frozenset("0123456789")


def moment(text: str) -> int | None:
    """Microseconds since the epoch of ``2026-01-31 12:00:00.123456`` and the like; None if garbled.

    A ``T`` may stand for the space, the fraction may be missing, and the zone (``Z``, ``+01:00``)
    as well: then it is UTC.
    """
    text = text.strip()
    date, clock, rest = text[:10], text[11:19], text[19:]
    shape = f"{date[4:5]}{date[7:8]}{clock[2:3]}{clock[5:6]}"
    numbers = (date[:4], date[5:7], date[8:], clock[:2], clock[3:5], clock[6:])
    if shape != "--::" or text[10:11] not in ("T", " ", "t") or not all(map(_is_number, numbers)):
        return None
    fraction = ""
    if rest[:1] in (".", ","):
        fraction = rest[1:].partition("Z")[0].partition("z")[0].partition("+")[0].partition("-")[0]
        rest = rest[1 + len(fraction) :]
        if not _is_number(fraction):
            return None
    zone = _zone(rest)
    year, month, day, hour, minute, second = map(int, numbers)
    if zone is None or not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60):
        return None
    seconds = ((_days(year, month, day) * 24 + hour) * 60 + minute - zone) * 60 + second
    return seconds * _MICROSECONDS + int(f"{fraction:0<6.6}")


def written(microseconds: int) -> str:
    """The moment as Agent Mail's Python version keeps it: ``2026-01-31 12:00:00.123456``, UTC."""
    seconds, rest = divmod(microseconds, _MICROSECONDS)
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(seconds))}.{rest:06}"


def _is_number(text: str) -> bool:
    return bool(text) and _DIGITS.issuperset(text)


def _zone(text: str) -> int | None:
    """The minutes that a zone is ahead of UTC; None if it is none."""
    if text in ("", "Z", "z"):
        return 0
    digits = text[1:].replace(":", "")
    if text[0] not in "+-" or not _is_number(digits) or len(digits) not in (2, 4):
        return None
    minutes = int(digits[:2]) * 60 + int(digits[2:] or 0)
    return -minutes if text[0] == "-" else minutes


def _days(year: int, month: int, day: int) -> int:
    """Days since the epoch, in the Gregorian calendar (the year begins in March)."""
    year -= month <= 2
    since_march = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return year * 365 + year // 4 - year // 100 + year // 400 + since_march - 719_468
