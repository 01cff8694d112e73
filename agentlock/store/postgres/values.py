"""What comes and goes over a connection to PostgreSQL: values as Python has them, and errors."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Parameter = str | bytes | int | None

# catalog/pg_type.dat
_BYTEA, _BIGINT, _TEXT = 17, 20, 25
_INTEGERS = (20, 21, 23)
_TEXTS = (25, 1043, 19)


class PostgresError(Exception):
    """An error of the server or the library; ``state`` is its SQLSTATE, or "" if it gave none.

    ``lost``: the connection is gone, so nobody knows what the server did last.
    """

    def __init__(self, said: str, state: str = "", *, lost: bool = False) -> None:
        super().__init__(said)
        self.said = said
        self.state = state
        self.lost = lost


class TimeoutExpiredError(PostgresError):
    """No answer in time; the connection was abandoned."""

    def __init__(self) -> None:
        super().__init__("no answer in time", lost=True)


def bound(parameter: Parameter) -> tuple[int, bytes | None, int]:
    """(type, value, format) as PQexecParams takes them; 1 is the binary format."""
    if parameter is None:
        return 0, None, 0
    if isinstance(parameter, bytes):
        return _BYTEA, parameter, 1
    if isinstance(parameter, int):  # a boolean as well: every column keeps it as 0 or 1
        return _BIGINT, b"%d" % parameter, 0
    return _TEXT, parameter.encode("utf-8", "surrogateescape"), 1


def value(cell: bytes, kind: int, *, binary: bool) -> Any:
    if kind in _INTEGERS:
        return int.from_bytes(cell, "big", signed=True) if binary else int(cell)
    if kind == _BYTEA and binary:
        return cell
    if kind in _TEXTS or not binary:
        return cell.decode("utf-8", "surrogateescape")
    raise PostgresError(f"a column has the unexpected type {kind}")
