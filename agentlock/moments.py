"""Moments in time as text, and back; datetime is loaded only where it is used."""

from __future__ import annotations

import time

from agentlock.duration import parse_duration
from agentlock.errors import UsageError
from agentlock.model import MICROSECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

_ORDINARY = 7_000 * 365 * 86_400  # seconds: until about the year 8970, what every calendar has


def rfc3339(microseconds: int | None) -> str | None:
    """Microseconds since the epoch as ``2026-01-31T12:00:00.000000Z``."""
    if microseconds is None:
        return None
    moment = _utc(microseconds)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def local_time(microseconds: int) -> str:
    """The same moment on the reader's own clock, to the second."""
    return _local(microseconds, "%Y-%m-%d %H:%M:%S")


def local_clock(microseconds: int, now: int) -> str:
    """The hour and minute on the reader's clock, with the day if it is not today."""
    day = "%Y-%m-%d"
    is_today = _local(microseconds, day) == _local(now, day)
    return _local(microseconds, "%H:%M" if is_today else "%Y-%m-%d %H:%M")


def _local(microseconds: int, form: str) -> str:
    seconds = microseconds // MICROSECONDS
    if 0 <= seconds < _ORDINARY:
        return time.strftime(form, time.localtime(seconds))
    return _utc(microseconds).astimezone().strftime(form)


def _utc(microseconds: int) -> datetime:
    """The moment; the year 9000 for what no calendar has, which only a damaged table holds."""
    from datetime import datetime, timedelta, timezone

    start = datetime(1970, 1, 1, tzinfo=timezone.utc)
    try:
        return start + timedelta(microseconds=microseconds)
    except OverflowError:
        return start.replace(year=9000)


def moment_of(text: str, now: int) -> int:
    """Microseconds since the epoch: of a time, or of a duration before ``now``."""
    if text[-1:] in ("s", "m", "h", "d"):
        return now - parse_duration(text)
    from datetime import datetime

    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        return int(moment.timestamp() * 1_000_000)
    except (ValueError, OverflowError, OSError):  # not a time, or out of range
        raise UsageError(
            f"{text!r} is neither a duration nor a time",
            fix="write it like 2h, or 2026-01-31T12:00:00Z",
        ) from None
