"""A hook's question to a server on this machine: the same answer as by libpq, or none at all."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from support.postgresql import GIVEN_SERVER, OwnServer

from agentlock.errors import DatabaseError
from agentlock.patterns.matching import compile_pattern, path_keys
from agentlock.store import migrate, open_store
from agentlock.store.postgres import PostgresStore, loopback
from agentlock.store.postgres.libpq import Connection
from agentlock.store.postgres.values import TimeoutExpiredError
from agentlock.store.sqlite.filesystem import Modes
from agentlock.table_errors import OlderSchemaError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.postgresql import Server

pytestmark = pytest.mark.skipif(
    GIVEN_SERVER is not None or os.path.exists("/etc/krb5.conf"),
    reason="the server may be elsewhere, or Kerberos is set up here",
)
LONG = 10.0
QUESTIONS: list[tuple[str, tuple[str | bytes | int | None, ...]]] = [
    ("SELECT 1", ()),
    (
        "SELECT $1::bigint, $2::bytea, $3::text",
        (-1, b"\0\xff", "?"),
    ),
    ("SELECT $1::bigint, $2::bytea, $3::text", (2**62, b"", "")),
    ("SELECT $1::text, NULL::bigint, 'x'::varchar, 7::int, 8::smallint", (None,)),
    ("SELECT repeat($1, 100000), n FROM generate_series(1, 3) AS n", ("é",)),
    ("SELECT n, n * 2 FROM generate_series(1, 5000) AS n ORDER BY n DESC", ()),
    ("SELECT 1 WHERE false", ()),
]


@pytest.fixture
def url(postgresql: Server) -> str:
    return postgresql.url


@pytest.mark.parametrize(("statement", "parameters"), QUESTIONS)
def test_the_rows_are_those_that_libpq_gives(
    url: str, statement: str, parameters: tuple[str | bytes | int | None, ...]
) -> None:
    connection = Connection({"dbname": url, "client_encoding": "UTF8"}, LONG)
    with contextlib.closing(connection):
        expected = connection.rows(statement, parameters, LONG)
    assert loopback.ask(url, statement, parameters, LONG) == expected


def test_a_unix_socket_leads_to_the_same_server(postgresql: Server) -> None:
    server = postgresql.direct
    assert isinstance(server, OwnServer)
    url = f"postgresql://postgres@/postgres?host={server.folder}&port={server.port}"
    assert loopback.ask(url, "SELECT 1", (), LONG) == [(1,)]


@pytest.mark.parametrize("statement", ["SELECT", "SELECT 1/0", "SELECT 1.5", "nonsense", ""])
def test_what_is_no_plain_answer_is_left_to_libpq(url: str, statement: str) -> None:
    found = loopback.ask(url, statement, (), LONG)
    assert found == ([()] if statement == "SELECT" else None)


@pytest.mark.parametrize(
    "change",
    [
        lambda url: f"{url}?sslmode=require",
        lambda url: f"{url}?sslmode=disable&channel_binding=require",
        lambda url: f"{url}?require_auth=scram-sha-256",
        lambda url: f"{url}?requirepeer=root",
        lambda url: f"{url}?service=agents",
        lambda url: url.replace("127.0.0.1", "localhost"),
        lambda url: url.replace("127.0.0.1", "127.0.0.1,127.0.0.1"),
        lambda url: url.replace("postgres@", "%70ostgres@"),
        lambda url: url.replace("/postgres", "/nowhere"),
        lambda url: url.rpartition("/")[0],
        lambda _: "postgresql://nobody@127.0.0.1:1/x",
        lambda _: "postgresql://nobody@127.0.0.1:port/x",
        lambda _: "postgresql:///x",
    ],
)
def test_another_place_or_another_way_is_left_to_libpq(
    url: str, change: Callable[[str], str]
) -> None:
    assert loopback.ask(url, "SELECT 1", (), LONG) is not None
    assert change(url) != url
    assert loopback.ask(change(url), "SELECT 1", (), LONG) is None


@pytest.mark.parametrize("variable", ["PGSSLMODE", "PGUSER", "PGREQUIREPEER", "KRB5CCNAME"])
def test_a_variable_of_libpq_leaves_it_to_libpq(
    url: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "x")
    assert loopback.ask(url, "SELECT 1", (), LONG) is None


def test_a_file_of_passwords_leaves_it_to_libpq(url: str, home: Path) -> None:
    (home / ".pgpass").write_text("")
    assert loopback.ask(url, "SELECT 1", (), LONG) is None


# A server that says something else


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4, "big") + body


IN = _message(b"R", bytes(4)) + _message(b"Z", b"I")
COLUMN = b"n\0" + bytes(6) + (20).to_bytes(4, "big") + bytes(8)
ONE_COLUMN = _message(b"T", b"\0\1" + COLUMN)


@pytest.mark.parametrize(
    "answers",
    [
        [b"S"],
        [b"N", b""],
        [b"N", _message(b"R", (10).to_bytes(4, "big"))],
        [b"N", _message(b"E", b"SFATAL\0\0")],
        [b"N", b"Z\0\0\0\0"],
        [b"N", b"HTTP/1.1 400 Bad Request\r\n\r\n"],
        [b"N", IN, b""],
        [b"N", IN, _message(b"Z", b"I")],
        [b"N", IN, _message(b"C", b"SELECT 1\0")],
        [b"N", IN, _message(b"G", b"") + _message(b"Z", b"I")],
        [b"N", IN, ONE_COLUMN + _message(b"D", b"\0\2") + _message(b"Z", b"I")],
        [b"N", IN, ONE_COLUMN + _message(b"D", b"\0\1\0\0\0\x08abc") + _message(b"Z", b"I")],
        [b"N", IN, _message(b"T", b"\0\1abc") + _message(b"Z", b"I")],
        [b"N", IN, ONE_COLUMN + _message(b"C", b"") + _message(b"E", b"") + _message(b"Z", b"I")],
    ],
)
def test_an_answer_that_is_broken_is_none(answers: list[bytes]) -> None:
    with _server(answers) as url:
        assert loopback.ask(url, "SELECT 1", (), LONG) is None


@pytest.mark.parametrize("answers", [[], [b"N"], [b"N", IN], [b"N", IN, ONE_COLUMN]])
def test_a_server_that_falls_silent_is_waited_for_as_long_as_said(answers: list[bytes]) -> None:
    silent = threading.Event()
    with _server(answers, silent) as url, pytest.raises(TimeoutExpiredError):
        loopback.ask(url, "SELECT 1", (), 0.2)
    silent.set()


@contextlib.contextmanager
def _server(answers: list[bytes], silent: threading.Event | None = None) -> Iterator[str]:
    """The URL of something that gives one answer to each packet, then ends or falls silent."""

    def serve() -> None:
        client, _ = listener.accept()
        with client, contextlib.suppress(OSError):
            for answer in answers:
                client.recv(65536)
                client.sendall(answer)
            if silent is not None:
                silent.wait(LONG)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"postgresql://anybody@127.0.0.1:{listener.getsockname()[1]}/x"
        if silent is not None:
            silent.set()
        thread.join()


# The store's first question


@pytest.fixture
def table(postgresql: Server) -> tuple[str, str]:
    location = postgresql.database()
    identifier, _ = migrate.make(location, Modes())
    migrate.add_project(location, "p")
    return location, identifier


def _lazily(table: tuple[str, str], project: str = "p") -> PostgresStore:
    store = open_store(*table, project, read_only=True, lazily=True)
    assert isinstance(store, PostgresStore)
    return store


def test_the_first_question_opens_no_other_connection(table: tuple[str, str]) -> None:
    pattern = b"/src/\xff \n.py"
    with contextlib.closing(open_store(*table, "p")) as writer:
        with writer.writing():
            now = writer.now()
            writer.agents.register("A", now)
            held = writer.reservations.grant(
                "A",
                pattern,
                typed=pattern,
                keys=compile_pattern(pattern).keys,
                exclusive=True,
                reason="",
                now=now,
                expires=now + 10**9,
            )
        store = _lazily(table)
        for added in ((), [pattern[1:]]):
            asked = (*path_keys(pattern[1:]), added)
            now, *others = store.standing(*asked)
            assert others == [*writer.standing(*asked)[1:]]
            assert others[1] == [held]
            assert abs(now - writer.now()) < 10**8
        connected = [store.is_connected]
        assert store.reservations.get(held.id) == held
        connected.append(store.is_connected)
        assert connected == [False, True]
        store.close()


def test_the_first_question_says_whether_it_is_the_recorded_database(
    table: tuple[str, str], postgresql: Server
) -> None:
    location, _ = table
    nothing: tuple[list[bytes], list[bytes]] = ([], [])
    with pytest.raises(DatabaseError, match="no project 'other'"):
        _lazily(table, "other").standing(*nothing)
    with pytest.raises(DatabaseError, match="is another database"):
        _lazily((location, "another")).standing(*nothing)
    with pytest.raises(DatabaseError, match="is another database"):
        assert _lazily((location, "another")).reservations.all() == []
    with pytest.raises(DatabaseError, match="is another database"):
        _lazily((location, "another")).reading().__enter__()
    postgresql.run("UPDATE database_identity SET schema_version = 1", url=location)
    postgresql.run("ALTER TABLE projects DROP COLUMN stale", url=location)
    with pytest.raises(OlderSchemaError):
        _lazily(table).standing(*nothing)
    postgresql.run("DELETE FROM database_identity", url=location)
    with pytest.raises(DatabaseError, match="has lost its own id"):
        _lazily(table).standing(*nothing)
