"""PostgreSQL's client library, libpq, loaded with ctypes so that a git hook can afford it.

To import psycopg, or only its C layer, takes a hook longer than its whole decision on SQLite. libpq
with ctypes takes at most twice as long as SQLite (benchmarks/POSTGRES.md). The library comes with
``psycopg[binary]``, the extra ``postgres``; without it, the system's library is used.

Nothing waits longer than it is told. Connecting waits for name servers too, without a time limit,
so it happens in a thread, which can be abandoned.
"""

from __future__ import annotations

import _thread
import ctypes
import os
import select
import sys
import time

from agentlock.errors import ConfigurationError
from agentlock.store.postgres.values import PostgresError, TimeoutExpiredError, bound, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from agentlock.store.postgres.values import Parameter

# libpq-fe.h
_OK, _BAD = 0, 1
_POLLING_FAILED, _POLLING_READING, _POLLING_WRITING, _POLLING_OK = 0, 1, 2, 3
_COMMAND_OK, _TUPLES_OK = 1, 2
_VERBOSE = 2
_SQLSTATE = ord("C")

_NAMES = ("libpq.so.5", "libpq.5.dylib")
_FOLDERS = ("psycopg_binary.libs", os.path.join("psycopg_binary", ".dylibs"))
INSTALL = "in a checkout of agentlock: ./install.sh --postgres"


class Connection:
    """One connection. ``settings`` are keywords of libpq; times are in seconds."""

    def __init__(self, settings: dict[str, str], seconds: float) -> None:
        self._library = library()
        self._pointer = 0
        self._gave_up = False
        self._pointer = _connected_in(self._library, settings, seconds)
        self._library.PQsetnonblocking(self._pointer, 1)

    def close(self) -> None:
        if self._pointer:
            self._library.PQfinish(self._pointer)
        self._pointer = 0

    @property
    def is_intact(self) -> bool:
        """Whether a transaction is open and nothing in it has failed (PQTRANS_INTRANS)."""
        return bool(self._pointer) and self._library.PQtransactionStatus(self._pointer) == 2

    def script(self, statements: str, seconds: float) -> list[tuple[Any, ...]]:
        """Run statements without parameters in one round trip; the last one's rows, as text."""
        return self._run(seconds, self._library.PQsendQuery, statements.encode())

    def rows(
        self, statement: str, parameters: Sequence[Parameter], seconds: float
    ) -> list[tuple[Any, ...]]:
        """Run one statement with ``$1`` …; its rows: integers, text and bytes as Python has them.

        No statement is prepared by name, so that any pooler can be used.
        """
        count = len(parameters)
        given = [bound(parameter) for parameter in parameters]
        return self._run(
            seconds,
            self._library.PQsendQueryParams,
            statement.encode(),
            count,
            (ctypes.c_uint * count)(*[kind for kind, _, _ in given]),
            (ctypes.c_char_p * count)(*[cell for _, cell, _ in given]),
            (ctypes.c_int * count)(*[len(cell or b"") for _, cell, _ in given]),
            (ctypes.c_int * count)(*[form for _, _, form in given]),
            1,
        )

    def notified(self, seconds: float) -> bool:
        """Whether a notification came, or comes within that time; those that came are taken."""
        pq, came = self._library, False
        deadline = time.monotonic() + seconds
        while True:
            if not self._pointer or not pq.PQconsumeInput(self._pointer):
                raise PostgresError("the connection is lost", lost=True)
            while notification := pq.PQnotifies(self._pointer):
                pq.PQfreemem(notification)
                came = True
            if came:
                return True
            try:
                _wait(pq.PQsocket(self._pointer), deadline, reading=True)
            except TimeoutExpiredError:
                return False

    def _run(self, seconds: float, send: Any, *arguments: Any) -> list[tuple[Any, ...]]:
        if not self._pointer:
            if self._gave_up:  # somebody went on without the answer
                raise TimeoutExpiredError
            raise PostgresError("the connection is closed", lost=True)
        deadline = time.monotonic() + seconds
        try:
            if not send(self._pointer, *arguments):
                raise self._failed(None)
            result = self._answer(deadline)
        except TimeoutExpiredError:
            self._gave_up = True
            self.close()  # an answer that still comes would be taken for the next one
            raise
        pq = self._library
        try:
            status = pq.PQresultStatus(result)
            if status == _TUPLES_OK:
                return list(_read(pq, result))
            if status == _COMMAND_OK:
                return []
            raise self._failed(result)
        finally:
            pq.PQclear(result)

    def _answer(self, deadline: float) -> int | None:
        """The last result, after which the server waits for the next statement."""
        pq, pointer = self._library, self._pointer
        while pq.PQflush(pointer) == 1:
            _wait(pq.PQsocket(pointer), deadline, reading=True, writing=True)
            pq.PQconsumeInput(pointer)
        last = None
        while True:
            while pq.PQisBusy(pointer):
                _wait(pq.PQsocket(pointer), deadline, reading=True)
                pq.PQconsumeInput(pointer)  # if that fails, the next result says so
            result = pq.PQgetResult(pointer)
            if not result:
                return last
            pq.PQclear(last)
            last = int(result)

    def _failed(self, result: int | None) -> PostgresError:
        pq = self._library
        state = pq.PQresultErrorField(result, _SQLSTATE) or b""
        said, _ = _parted(pq.PQresultErrorMessage(result) or pq.PQerrorMessage(self._pointer))
        lost = pq.PQstatus(self._pointer) != _OK
        return PostgresError(said, state.decode("ascii", "replace"), lost=lost)


def _connected_in(pq: ctypes.CDLL, settings: dict[str, str], seconds: float) -> int:
    """A connection, made in a thread of its own; TimeoutExpiredError if that takes too long."""
    made: list[int | BaseException] = []
    over = _thread.allocate_lock()
    over.acquire()
    abandoned = _thread.allocate_lock()

    def run() -> None:
        try:
            made.append(_connected(pq, settings))
        except BaseException as error:  # noqa: BLE001 -- raised again by the caller
            made.append(error)
        over.release()
        if abandoned.locked() and isinstance(made[0], int):
            pq.PQfinish(made[0])

    _thread.start_new_thread(run, ())
    if not over.acquire(timeout=max(seconds, 0)):
        abandoned.acquire()
        raise TimeoutExpiredError
    (given,) = made
    if isinstance(given, BaseException):
        raise given
    return given


def _connected(pq: ctypes.CDLL, settings: dict[str, str]) -> int:
    pointer = pq.PQconnectStartParams(_strings([*settings]), _strings([*settings.values()]), 1)
    if not pointer:
        raise PostgresError("out of memory")
    pq.PQsetErrorVerbosity(pointer, _VERBOSE)  # with the SQLSTATE in it
    pq.PQsetNoticeProcessor(pointer, _SILENT, None)
    step = _POLLING_FAILED if pq.PQstatus(pointer) == _BAD else _POLLING_WRITING
    while step in (_POLLING_READING, _POLLING_WRITING):
        _wait(pq.PQsocket(pointer), None, reading=step == _POLLING_READING)
        step = pq.PQconnectPoll(pointer)
    if step != _POLLING_OK:
        said, state = _parted(pq.PQerrorMessage(pointer))
        pq.PQfinish(pointer)
        raise PostgresError(said, state)
    return int(pointer)


def _read(pq: ctypes.CDLL, result: int | None) -> Iterator[tuple[Any, ...]]:
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
            cells.append(value(cell, kinds[column], binary=binary[column]))
        yield tuple(cells)


def _wait(
    socket: int, deadline: float | None, *, reading: bool, writing: bool | None = None
) -> None:
    """Wait until the socket can be read, else written, or either; TimeoutExpiredError if not."""
    writing = not reading if writing is None else writing
    seconds = None if deadline is None else max(deadline - time.monotonic(), 0)
    waiting = select.poll()
    waiting.register(socket, select.POLLIN * reading | select.POLLOUT * writing)
    if not waiting.poll(None if seconds is None else seconds * 1000):
        raise TimeoutExpiredError


def _parted(message: bytes | None) -> tuple[str, str]:
    """What libpq says, in one line, and the SQLSTATE that is part of a verbose message.

    ``FATAL:  28P01: password authentication failed for user "x"``, then where in its source.
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
    """libpq; ConfigurationError if it is not installed."""
    if not _loaded:
        _loaded.append(_declared(_found()))
    return _loaded[0]


def _found() -> ctypes.CDLL:
    package = os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 3))
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
        except OSError:  # noqa: PERF203 -- three times at most
            pass
    raise ConfigurationError(
        "PostgreSQL's client library is not installed for this Python",
        fix=INSTALL,
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
    """The library with the types of its functions: by default ctypes takes pointers for C ints."""
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
        "PQsetnonblocking": (number, pointer, number),
        "PQsendQuery": (number, pointer, text),
        "PQsendQueryParams": (
            *(number, pointer, text, number, kinds, texts, numbers, numbers),
            number,
        ),
        "PQflush": (number, pointer),
        "PQconsumeInput": (number, pointer),
        "PQisBusy": (number, pointer),
        "PQgetResult": (pointer, pointer),
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
        "PQnotifies": (pointer, pointer),
        "PQfreemem": (None, pointer),
    }
    for name, (returned, *arguments) in functions.items():
        function = getattr(pq, name)
        function.restype = returned
        function.argtypes = arguments
    return pq
