"""One question to a PostgreSQL server on this machine, asked without PostgreSQL's client library.

To load libpq takes a git hook longer than the rest of its question (benchmarks/POSTGRES.md). What
the hook needs of the protocol is short, as long as nothing is encrypted and no password is asked
for: a Unix socket, or the loopback of a server without TLS. This knows only the good case. Whatever
else is configured, or comes, is no answer: then libpq is asked, and says what is wrong.

https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

from __future__ import annotations

import os
import time

from agentlock.store.postgres.values import PostgresError, TimeoutExpiredError, bound, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from agentlock.store.postgres.values import Parameter

    Rows = list[tuple[Any, ...]]

_PROTOCOL, _ASK_FOR_TLS = 3 << 16, 80877103
_LOOPBACK = "127.0.0.1"  # what any other name means, libpq finds out
_PORT = "5432"
_LEAST = 4096
_PLAIN = ("disable", "prefer")  # prefer: with TLS if the server has it
# Settings of libpq; what says how it would log in with Kerberos; and where passwords are.
_VARIABLES = ("PG", "KRB5")
_KERBEROS = "/etc/krb5.conf"
_PASSWORDS = "~/.pgpass"


class _NoAnswer(Exception):  # noqa: N818 -- nothing is wrong yet
    pass


class _Place:
    """Where the server is, as the URL says it, and as whom one logs in."""

    __slots__ = ("address", "asks_for_tls", "startup")

    def __init__(self, location: str) -> None:
        if "%" in location or "," in location or any(map(_is_configured, os.environ)):
            raise _NoAnswer
        address, _, query = location.partition("://")[2].partition("?")
        server, _, database = address.partition("/")
        user, _, server = server.rpartition("@")
        host, _, port = server.partition(":")
        options = dict(_pair(text) for text in query.split("&") if text)
        host, port = options.pop("host", host), options.pop("port", port) or _PORT
        mode = options.pop("sslmode", "prefer")
        is_local = host.startswith("/")
        if not (is_local or host == _LOOPBACK) or mode not in _PLAIN or options or not database:
            raise _NoAnswer
        self.address = f"{host}/.s.PGSQL.{port}" if is_local else (host, int(port))
        self.asks_for_tls = not is_local and mode != "disable"
        if os.path.exists(os.path.expanduser(_PASSWORDS)) or (
            not is_local and os.path.exists(_KERBEROS)
        ):
            raise _NoAnswer
        settings = {
            "user": user or _own_name(),
            "database": database,
            "application_name": "agentlock",
            "client_encoding": "UTF8",
        }
        words = [word for pair in settings.items() for word in pair]
        self.startup = b"".join([_text(word) for word in words]) + b"\0"


def _is_configured(variable: str) -> bool:
    return variable.startswith(_VARIABLES)


def _pair(text: str) -> tuple[str, str]:
    name, _, given = text.partition("=")
    return name, given


def _own_name() -> str:
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name


def ask(
    location: str, statement: str, parameters: Sequence[Parameter], seconds: float
) -> Rows | None:
    """The rows of one statement, over a connection of its own; None: ask with libpq.

    TimeoutExpiredError if the server says nothing for so long.
    """
    try:
        wire = _Wire(_Place(location), seconds)
        try:
            return _answer(wire, statement, parameters)
        finally:
            wire.close()
    except TimeoutError:
        raise TimeoutExpiredError from None
    # Also what is no message of the protocol, no number, no text, or no type that we ask for.
    except (_NoAnswer, OSError, LookupError, ValueError, PostgresError):
        return None


def _answer(wire: _Wire, statement: str, parameters: Sequence[Parameter]) -> Rows:
    kinds: list[int] = []
    rows: Rows = []
    is_complete = False
    wire.send(_question(statement, parameters))
    for kind, body in wire.messages_until_ready():
        if kind == b"T":
            kinds = list(_kinds(body))
        elif kind == b"D":
            rows.append(tuple(_cells(body, kinds)))
        elif kind == b"C":
            is_complete = True
        elif kind not in b"12":  # ParseComplete, BindComplete
            raise _NoAnswer
    if not is_complete:
        raise _NoAnswer
    wire.send(_message(b"X", b""))
    return rows


class _Wire:
    """A connection that is logged in."""

    def __init__(self, place: _Place, seconds: float) -> None:
        import _socket  # without the module socket, which loads selectors and enum

        self._deadline = time.monotonic() + seconds
        self._came = bytearray()
        is_local = isinstance(place.address, str)
        family = _socket.AF_UNIX if is_local else _socket.AF_INET
        self._socket = _socket.socket(family, _socket.SOCK_STREAM)
        try:
            self._wait_at_most()
            self._socket.connect(place.address)
            self._log_in(place)
        except BaseException:
            self.close()
            raise

    def _log_in(self, place: _Place) -> None:
        if place.asks_for_tls:
            self.send(_sized(_number(_ASK_FOR_TLS)))
            if bytes(self._take(1)) != b"N":
                raise _NoAnswer
        self.send(_sized(_number(_PROTOCOL) + place.startup))
        for kind, body in self.messages_until_ready():
            if kind not in b"RK" or (kind == b"R" and body != _number(0)):
                raise _NoAnswer  # a password is asked for, or something is wrong

    def close(self) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._wait_at_most()
        self._socket.sendall(data)

    def messages_until_ready(self) -> Iterator[tuple[bytes, bytes]]:
        """Each message's kind and body, without the notices and settings that come between."""
        while True:
            kind = bytes(self._take(1))
            body = bytes(self._take(int.from_bytes(self._take(4), "big") - 4))
            if kind == b"Z":
                return
            if kind not in b"SN":
                yield kind, body

    def _take(self, count: int) -> bytearray:
        if count < 0:
            raise _NoAnswer
        while len(self._came) < count:
            self._wait_at_most()
            came = self._socket.recv(max(count - len(self._came), _LEAST))
            if not came:
                raise _NoAnswer
            self._came += came
        taken = self._came[:count]
        del self._came[:count]
        return taken

    def _wait_at_most(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)


def _question(statement: str, parameters: Sequence[Parameter]) -> bytes:
    """Parse, bind, describe and run one statement without a name; all results are binary."""
    given = [bound(parameter) for parameter in parameters]
    count = _short(len(given))
    kinds = b"".join([_number(kind) for kind, _, _ in given])
    forms = b"".join([_short(form) for _, _, form in given])
    cells = b"".join([_cell(cell) for _, cell, _ in given])
    return b"".join(
        [
            _message(b"P", b"\0" + _text(statement) + count + kinds),
            _message(b"B", b"\0\0" + count + forms + count + cells + _short(1) + _short(1)),
            _message(b"D", b"P\0"),
            _message(b"E", b"\0" + _number(0)),
            _message(b"S", b""),
        ]
    )


def _kinds(body: bytes) -> Iterator[int]:
    """The types of the columns: each has a name, a table, its place there, and then the type."""
    at = 2
    for _ in range(int.from_bytes(body[:2], "big")):
        at = body.index(b"\0", at) + 7
        yield int.from_bytes(body[at : at + 4], "big")
        at += 12


def _cells(body: bytes, kinds: Sequence[int]) -> Iterator[Any]:
    if int.from_bytes(body[:2], "big") != len(kinds):
        raise _NoAnswer
    at = 2
    for kind in kinds:
        length = int.from_bytes(body[at : at + 4], "big", signed=True)
        at += 4
        if length < 0:
            yield None
            continue
        cell = body[at : at + length]
        if len(cell) != length:
            raise _NoAnswer
        yield value(cell, kind, binary=True)
        at += length


def _cell(cell: bytes | None) -> bytes:
    return _number(-1) if cell is None else _number(len(cell)) + cell


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + _sized(body)


def _sized(body: bytes) -> bytes:
    return _number(len(body) + 4) + body


def _number(number: int) -> bytes:
    return (number & 0xFFFFFFFF).to_bytes(4, "big")


def _short(number: int) -> bytes:
    return number.to_bytes(2, "big")


def _text(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape") + b"\0"
