"""PostgreSQL's own client library, as cheaply as it can be had.

Importing psycopg takes a hook about ten times as long as its whole decision on SQLite; libpq
itself, loaded by ctypes, takes two thirds more than SQLite does (benchmarks/postgres.py). It comes
with ``psycopg[binary]``, the extra ``postgres``; where that is not installed, the system's serves.

Every call that may wait runs in a thread of its own: libpq waits for name servers too, and nothing
else ends that in time. A call that is not back in time is abandoned together with its connection.
"""

from __future__ import annotations

import _thread
import ctypes
import os
import select
import sys

from agentlock.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    Parameter = str | bytes | int | None

# libpq-fe.h
_OK, _POLLING_READING, _POLLING_WRITING, _POLLING_OK = 0, 1, 2, 3
_COMMAND_OK, _TUPLES_OK = 1, 2
_VERBOSE = 2
_SQLSTATE = ord("C")
# catalog/pg_type.dat
_BYTEA, _BIGINT, _TEXT = 17, 20, 25
_INTEGERS = (20, 21, 23)
_TEXTS = (25, 1043, 19)

_NAMES = ("libpq.so.5", "libpq.5.dylib", "libpq.dll")
_FOLDERS = ("psycopg_binary.libs", os.path.join("psycopg_binary", ".dylibs"))
INSTALL = "pip install 'git-agentlock[postgres]'"


class PostgresError(Exception):
    """The server's or the library's refusal; ``state`` is its SQLSTATE, "" where it gave none.

    ``lost``: the connection is gone, so what the server did last is not known.
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


class Connection:
    """One connection. ``settings`` are libpq's keywords; times are in seconds."""

    def __init__(self, settings: dict[str, str], seconds: float) -> None:
        self._library = library()
        self._busy = False
        self._pointer = self._bounded(lambda: self._connected(settings), seconds)

    def _connected(self, settings: dict[str, str]) -> int:
        pq = self._library
        keywords = _strings([*settings])
        values = _strings([*settings.values()])
        pointer = pq.PQconnectStartParams(keywords, values, 1)
        if not pointer:
            raise PostgresError("out of memory")
        pq.PQsetErrorVerbosity(pointer, _VERBOSE)  # with the SQLSTATE in it
        pq.PQsetNoticeProcessor(pointer, _SILENT, None)
        step = _POLLING_WRITING
        while pq.PQstatus(pointer) != 1 and step != _POLLING_OK:  # CONNECTION_BAD
            if step not in (_POLLING_READING, _POLLING_WRITING):
                break
            _wait(pq.PQsocket(pointer), reading=step == _POLLING_READING)
            step = pq.PQconnectPoll(pointer)
        if step != _POLLING_OK:
            said, state = _parted(pq.PQerrorMessage(pointer))
            pq.PQfinish(pointer)
            raise PostgresError(said, state)
        return int(pointer)

    def close(self) -> None:
        if self._pointer and not self._busy:
            self._library.PQfinish(self._pointer)
        self._pointer = 0

    @property
    def is_intact(self) -> bool:
        """Whether a transaction is open in which nothing has failed (PQTRANS_INTRANS)."""
        return bool(self._pointer) and self._library.PQtransactionStatus(self._pointer) == 2

    def script(self, statements: str, seconds: float) -> list[tuple[Any, ...]]:
        """Run statements without parameters in one round trip; the rows of the last, as text."""
        text = statements.encode()
        return self._run(lambda: self._library.PQexec(self._pointer, text), seconds)

    def rows(
        self, statement: str, parameters: Sequence[Parameter], seconds: float
    ) -> list[tuple[Any, ...]]:
        """Run one statement with ``$1`` …; its rows: integers, text and bytes as Python has them.

        No statement is prepared by name, so that any pooler can stand in between.
        """
        count = len(parameters)
        bound = [_bound(parameter) for parameter in parameters]
        arguments = (
            statement.encode(),
            count,
            (ctypes.c_uint * count)(*[kind for kind, _, _ in bound]),
            (ctypes.c_char_p * count)(*[value for _, value, _ in bound]),
            (ctypes.c_int * count)(*[len(value or b"") for _, value, _ in bound]),
            (ctypes.c_int * count)(*[form for _, _, form in bound]),
            1,
        )
        return self._run(lambda: self._library.PQexecParams(self._pointer, *arguments), seconds)

    def _run(self, call: Callable[[], int], seconds: float) -> list[tuple[Any, ...]]:
        if not self._pointer:
            raise PostgresError("the connection is closed", lost=True)
        result = self._bounded(call, seconds)
        pq = self._library
        try:
            status = pq.PQresultStatus(result)
            if status == _TUPLES_OK:
                return list(_read(pq, result))
            if status == _COMMAND_OK:
                return []
            state = pq.PQresultErrorField(result, _SQLSTATE) or b""
            said, _ = _parted(pq.PQresultErrorMessage(result) or pq.PQerrorMessage(self._pointer))
            lost = pq.PQstatus(self._pointer) != _OK
            raise PostgresError(said, state.decode("ascii", "replace"), lost=lost)
        finally:
            pq.PQclear(result)

    def _bounded(self, call: Callable[[], int], seconds: float) -> int:
        """What the call returns; TimeoutExpiredError where that takes longer.

        The thread lives on in the latter case, so nothing may use the connection any more.
        """
        answer: list[int | BaseException] = []
        over = _thread.allocate_lock()
        over.acquire()

        def run() -> None:
            try:
                answer.append(call())
            except BaseException as error:  # noqa: BLE001 -- raised where it was called for
                answer.append(error)
            over.release()

        self._busy = True
        _thread.start_new_thread(run, ())
        if not over.acquire(timeout=max(seconds, 0)):
            self._pointer = 0
            raise TimeoutExpiredError
        self._busy = False
        (given,) = answer
        if isinstance(given, BaseException):
            raise given
        return given


def _bound(parameter: Parameter) -> tuple[int, bytes | None, int]:
    """(type, value, format) as PQexecParams takes them; 1 is the binary format."""
    if parameter is None:
        return 0, None, 0
    if isinstance(parameter, bytes):
        return _BYTEA, parameter, 1
    if isinstance(parameter, int):  # a boolean too: it is 0 or 1 in every column
        return _BIGINT, b"%d" % parameter, 0
    return _TEXT, parameter.encode("utf-8", "surrogateescape"), 1


def _read(pq: ctypes.CDLL, result: int) -> Iterator[tuple[Any, ...]]:
    columns = range(pq.PQnfields(result))
    kinds = [pq.PQftype(result, column) for column in columns]
    binary = [pq.PQfformat(result, column) == 1 for column in columns]
    for row in range(pq.PQntuples(result)):
        cells: list[Any] = []
        for column in columns:
            length = pq.PQgetlength(result, row, column)
            if not length and pq.PQgetisnull(result, row, column):
                cells.append(None)
                continue
            cell = ctypes.string_at(pq.PQgetvalue(result, row, column), length)
            cells.append(_value(cell, kinds[column], binary=binary[column]))
        yield tuple(cells)


def _value(cell: bytes, kind: int, *, binary: bool) -> Any:
    if kind in _INTEGERS:
        return int.from_bytes(cell, "big", signed=True) if binary else int(cell)
    if kind == _BYTEA and binary:
        return cell
    if kind in _TEXTS or not binary:
        return cell.decode("utf-8", "surrogateescape")
    raise PostgresError(f"a column has a type that is not expected ({kind})")


def _wait(socket: int, *, reading: bool) -> None:
    if hasattr(select, "poll"):
        waiting = select.poll()
        waiting.register(socket, select.POLLIN if reading else select.POLLOUT)
        waiting.poll()
    else:  # Windows
        sockets = [socket]
        select.select(sockets if reading else [], [] if reading else sockets, sockets)


def _parted(message: bytes | None) -> tuple[str, str]:
    """What libpq says, in one line, and the SQLSTATE that a verbose message has in it.

    ``FATAL:  28P01: password authentication failed for user "x"``, then lines of its own places.
    """
    lines = (message or b"").decode("utf-8", "replace").splitlines()
    said = []
    state = ""
    for line in lines:
        text = line.strip()
        if text.startswith("LOCATION: ") or not text:
            continue
        severity, colon, rest = text.partition(":  ")
        code, _, sentence = rest.partition(": ")
        if colon and len(code) == 5 and code.isalnum() and code.isupper() | code.isdigit():
            state = code
            text = f"{severity}: {sentence}"
        said.append(text)
    return "; ".join(said) or "the server closed the connection", state


def _strings(texts: Iterable[str]) -> Any:
    encoded = [os.fsencode(text) for text in texts]
    return (ctypes.c_char_p * (len(encoded) + 1))(*encoded, None)


_SILENT = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p)(lambda _context, _text: None)
_loaded: list[ctypes.CDLL] = []


def library() -> ctypes.CDLL:
    """libpq; ConfigurationError where there is none."""
    if not _loaded:
        _loaded.append(_declared(_found()))
    return _loaded[0]


def _found() -> ctypes.CDLL:
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    environment = os.path.dirname(os.path.dirname(sys.executable))
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    beside = os.path.join(environment, "lib", version, "site-packages")
    bundled = _bundled([package, beside, *sys.path])
    if bundled is None and sys.flags.no_site:  # as git's hooks start Python
        import site

        site.main()
        bundled = _bundled(sys.path)
    for name in ([bundled] if bundled else []) + [*_NAMES]:
        try:
            return ctypes.CDLL(name)
        except OSError:  # noqa: PERF203 -- four times at most
            pass
    raise ConfigurationError(
        "PostgreSQL's client library is not installed for this Python", hint=INSTALL
    )


def _bundled(folders: Iterable[str]) -> str | None:
    for folder in folders:
        for within in _FOLDERS:
            place = os.path.join(folder, within)
            try:
                names = os.listdir(place)
            except OSError:
                continue
            for name in names:
                if name.startswith("libpq"):
                    return os.path.join(place, name)
    return None


def _declared(pq: ctypes.CDLL) -> ctypes.CDLL:
    """The functions' types: ctypes takes every pointer for a C int where it is not told."""
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    texts, numbers = ctypes.POINTER(text), ctypes.POINTER(number)
    kinds = ctypes.POINTER(ctypes.c_uint)
    functions: dict[str, tuple[Any, ...]] = {
        "PQconnectStartParams": (pointer, texts, texts, number),
        "PQconnectPoll": (number, pointer),
        "PQsocket": (number, pointer),
        "PQstatus": (number, pointer),
        "PQtransactionStatus": (number, pointer),
        "PQerrorMessage": (text, pointer),
        "PQsetErrorVerbosity": (number, pointer, number),
        "PQsetNoticeProcessor": (pointer, pointer, type(_SILENT), pointer),
        "PQfinish": (None, pointer),
        "PQexec": (pointer, pointer, text),
        "PQexecParams": (
            *(pointer, pointer, text, number, kinds, texts, numbers, numbers),
            number,
        ),
        "PQresultStatus": (number, pointer),
        "PQresultErrorField": (text, pointer, number),
        "PQresultErrorMessage": (text, pointer),
        "PQnfields": (number, pointer),
        "PQntuples": (number, pointer),
        "PQftype": (ctypes.c_uint, pointer, number),
        "PQfformat": (number, pointer, number),
        "PQgetisnull": (number, pointer, number, number),
        "PQgetlength": (number, pointer, number, number),
        "PQgetvalue": (pointer, pointer, number, number),
        "PQclear": (None, pointer),
    }
    for name, (returned, *arguments) in functions.items():
        function = getattr(pq, name)
        function.restype = returned
        function.argtypes = arguments
    return pq
