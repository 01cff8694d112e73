"""Agent Mail's archive: the files in which both of its versions also keep the reservations.

``projects/SLUG/project.json`` says which folder a project is about, and each reservation stands in
``projects/SLUG/file_reservations``: in ``id-7.json`` or ``id-7-gGENERATION.json``, and again in a
file that is named by the digest of its pattern, which the next one with that pattern overwrites.
"""

from __future__ import annotations

import os
import time

from agentlock.agent_mail.moments import moment, written
from agentlock.errors import DatabaseError
from agentlock.json_text import loads
from agentlock.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

_EXPIRES = b'"expires_ts": "'  # as both versions write it; a quote inside a text has a backslash
_PATTERN = b'"path_pattern": "'
_AT_ONCE = 1 << 16  # bytes
_AGAIN = 0.02  # seconds until a file that was being written is whole
_NOT_RELEASED = ("", "0", "null", "none")


class Record(Value):
    """One live reservation of the archive. ``generation`` is "" but for the Rust version's."""

    id: int
    generation: str
    agent: str
    pattern: bytes
    exclusive: bool
    reason: str
    created_ts: int
    expires_ts: int


def projects(archive: str) -> Iterator[tuple[str, str]]:
    """The folder of each project in the archive, and the folder that it is about.

    The latter is "" where nothing says so. DatabaseError if the archive cannot be read.
    """
    above = os.path.join(archive, "projects")
    try:
        names = sorted(os.listdir(above))
    except OSError as error:
        raise _unreadable(above, error) from error
    for name in names:
        folder = os.path.join(above, name)
        if os.path.isdir(folder) and not os.path.islink(folder):
            path = os.path.join(folder, "project.json")
            is_said = os.path.lexists(path)
            about = _value(path).get("human_key") if is_said else _named_in(folder)
            yield folder, about if isinstance(about, str) else ""


def _named_in(folder: str) -> object:
    """What the first reservation says that its project is about: the Python version's way."""
    try:
        for one in os.scandir(os.path.join(folder, "file_reservations")):
            if one.name.endswith(".json") and one.is_file(follow_symlinks=False):
                return _value(one.path).get("project")
    except FileNotFoundError:
        pass
    except OSError as error:
        raise _unreadable(folder, error) from error
    return ""


def records(
    folder: str,
    now: int,
    wanted: Callable[[bytes, bool], bool] | None,
    *,
    as_gitignore: bool,
) -> list[Record]:
    """The live reservations of a project's folder that are wanted; see ``live.leases``.

    ``as_gitignore``: how those without a generation are read. DatabaseError if one is unreadable.
    """
    above = os.path.join(folder, "file_reservations")
    try:
        names = [
            one.name
            for one in os.scandir(above)
            if one.name.endswith(".json") and one.is_file(follow_symlinks=False)
        ]
    except FileNotFoundError:  # nobody has reserved anything yet
        return []
    except OSError as error:
        raise _unreadable(above, error) from error
    names.sort(key=_is_named_by_pattern)
    current = written(now)
    found: dict[tuple[int, str], Record | None] = {}
    seen = set()
    for name in names:
        by_id = _key_of(name)
        path = f"{above}/{name}"
        data = _bytes(path)
        if data is None or _is_over(data, current) or _matters_not(data, wanted):
            if by_id is not None:
                found[by_id] = None
            continue
        if by_id is None and data in seen:  # the same as in the reservation's own file
            continue
        seen.add(data)
        for value in _values(path, data):
            key = by_id or (_number(value), str(value.get("db_generation") or ""))
            if by_id is None and key[0] and key in found:
                continue
            record = _record(value, now, path)
            if record is not None and wanted is not None:
                is_old = as_gitignore and not record.generation
                record = record if wanted(record.pattern, is_old) else None
            found[key if key[0] else (0, path)] = record
    return [one for one in found.values() if one is not None]


def _is_named_by_pattern(name: str) -> bool:
    return not name.startswith("id-")


def _key_of(name: str) -> tuple[int, str] | None:
    """The id and the generation in the name of a reservation's own file."""
    if not name.startswith("id-"):
        return None
    number, _, generation = name[len("id-") : -len(".json")].partition("-g")
    return (int(number), generation) if number.isdecimal() else None


def _number(value: dict[str, Any]) -> int:
    number = value.get("id")
    return number if type(number) is int else 0


def _matters_not(data: bytes, wanted: Callable[[bytes, bool], bool] | None) -> bool:
    """Whether the pattern is certainly not wanted, at first sight, however it is read."""
    if wanted is None:
        return False
    text = _text_of(data, _PATTERN)
    if text is None or b"\\" in text or not text.isascii():
        return False
    text = text.strip()
    return not (wanted(text, True) or wanted(text, False))


def _text_of(data: bytes, key: bytes) -> bytes | None:
    """What stands between the quotes after a key; None if the key is not there just once."""
    at = data.find(key)
    if at < 0 or data.find(key, at + len(key)) >= 0:
        return None
    end = data.find(b'"', at + len(key))
    return data[at + len(key) : end] if end >= 0 else None


def _is_over(data: bytes, now: str) -> bool:
    """Whether a lease certainly ran out, at first sight; parsing costs ten times as much."""
    text = _text_of(data, _EXPIRES)
    if text is None or text[10:11] != b"T" or not text.endswith((b"Z", b"+00:00")):
        return False
    return text[:19].replace(b"T", b" ").decode("ascii", "replace") < now[:19]


def _record(value: dict[str, Any], now: int, path: str) -> Record | None:
    """The live reservation that the value is; None if it was released, ran out, or is no pattern.

    What is missing or garbled in it never makes it less: then it is exclusive and has no end.
    """
    pattern = value.get("path_pattern") or value.get("path")
    if not isinstance(pattern, str) or not pattern.strip():
        return None
    ends = _moment(value.get("expires_ts"))
    if _is_released(value.get("released_ts")) or (ends is not None and ends <= now):
        return None
    agent = value.get("agent_name") or value.get("agent")
    exclusive = value.get("exclusive", True)
    created = _moment(value.get("created_ts"))
    generation = value.get("db_generation") or (_key_of(os.path.basename(path)) or (0, ""))[1]
    return Record(
        _number(value),
        str(generation),
        agent.strip() if isinstance(agent, str) and agent.strip() else "an unnamed agent",
        pattern.encode("utf-8", "surrogatepass"),
        exclusive not in (False, 0, None),
        str(value.get("reason") or ""),
        now if created is None else created,
        now + 24 * 3600 * 1_000_000 if ends is None else ends,
    )


def _is_released(value: object) -> bool:
    """As Agent Mail reads it: old files have zeros and words where nothing was released."""
    if isinstance(value, str):
        text = value.strip().lower()
        try:
            return float(text) > 0
        except ValueError:
            return text not in _NOT_RELEASED
    return isinstance(value, (int, float)) and value > 0


def _moment(value: object) -> int | None:
    if isinstance(value, str):
        return int(value) if value.strip().isdecimal() else moment(value)
    return int(value) if type(value) in (int, float) else None  # type: ignore[call-overload]


def file_text(path: str) -> str:
    """The text of a file; "" if it has just gone."""
    return (_bytes(path) or b"").decode("utf-8", "replace")


def json_of(text: str) -> Any:
    """The value of a text; an empty object if it is no JSON: what is taken over is no guard."""
    try:
        return loads(text)
    except ValueError:
        return {}


def _values(path: str, data: bytes) -> list[dict[str, Any]]:
    value = _parsed(path, data)
    found = value if isinstance(value, list) else [value]
    return [one for one in found if isinstance(one, dict)]


def _value(path: str) -> dict[str, Any]:
    data = _bytes(path)
    value = {} if data is None else _parsed(path, data)
    return value if isinstance(value, dict) else {}


def _parsed(path: str, data: bytes) -> Any:
    """The value of a file; it is read once more if it is being written just now."""
    try:
        return loads(data.decode())
    except ValueError:
        time.sleep(_AGAIN)
    try:
        return loads((_bytes(path) or b"null").decode())
    except ValueError as error:
        raise _unreadable(path, error) from error


def _bytes(path: str) -> bytes | None:
    """The contents; None if the file has just gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY)  # four times as fast as open()
        try:
            data = os.read(descriptor, _AT_ONCE)
            while rest := os.read(descriptor, _AT_ONCE) if len(data) % _AT_ONCE == 0 else b"":
                data += rest
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from error
    return data


def _unreadable(path: str, error: Exception) -> DatabaseError:
    return DatabaseError(
        f"Agent Mail's archive cannot be read at {path} ({error}), so nobody knows what its agents "
        "hold",
        see="agentlock doctor",
    )
