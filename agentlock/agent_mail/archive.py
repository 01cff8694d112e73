"""Agent Mail's archive: the files in which both of its versions also keep the reservations.

``projects/SLUG/project.json`` says which folder a project is about, and each reservation stands in
``projects/SLUG/file_reservations``: in ``id-7.json`` or ``id-7-gGENERATION.json``, and again in a
file that is named by the digest of its pattern, which the next one with that pattern overwrites.
"""

from __future__ import annotations

import os
import time

from agentlock.agent_mail.moments import moment
from agentlock.errors import DatabaseError
from agentlock.json_text import loads
from agentlock.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_EXPIRES = b'"expires_ts": "'  # as both versions write it; a quote inside a text has a backslash
_LONGEST_MOMENT = 40
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


def records(folder: str, now: int) -> list[Record]:
    """The reservations of a project's folder that are live; DatabaseError if one is unreadable."""
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
    found: dict[tuple[int, str], Record] = {}
    over: set[tuple[int, str]] = set()
    for name in sorted(names, key=lambda name: not name.startswith("id-")):
        by_id = _key_of(name)
        path = os.path.join(above, name)
        data = _bytes(path)
        if data is None or _is_over(data, now):
            if by_id is not None:
                over.add(by_id)
            continue
        for value in _values(path, data):
            record = _record(value, now, path)
            key = by_id or (_number(value), str(value.get("db_generation") or ""))
            if record is None:
                over.add(key)
            elif key not in over:
                found.setdefault(key if key[0] else (0, path), record)
    return list(found.values())


def _key_of(name: str) -> tuple[int, str] | None:
    """The id and the generation in the name of a reservation's own file."""
    if not name.startswith("id-"):
        return None
    number, _, generation = name[len("id-") : -len(".json")].partition("-g")
    return (int(number), generation) if number.isdecimal() else None


def _number(value: dict[str, Any]) -> int:
    number = value.get("id")
    return number if type(number) is int else 0


def _is_over(data: bytes, now: int) -> bool:
    """Whether a lease certainly ran out, at first sight; parsing costs ten times as much."""
    at = data.find(_EXPIRES)
    if at < 0 or data.find(_EXPIRES, at + 1) >= 0:
        return False
    text = data[at + len(_EXPIRES) : at + len(_EXPIRES) + _LONGEST_MOMENT].partition(b'"')[0]
    ends = moment(text.decode("ascii", "replace"))
    return ends is not None and ends <= now


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
        with open(path, "rb", buffering=0) as file:
            return file.readall()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str, error: Exception) -> DatabaseError:
    return DatabaseError(
        f"Agent Mail's archive cannot be read at {path} ({error}), so nobody knows what its agents "
        "hold",
        see="agentlock doctor",
    )
