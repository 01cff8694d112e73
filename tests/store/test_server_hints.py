"""What a PostgreSQL server refuses comes with a hint that fits the error."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from support import Repo
    from support.postgresql import Server


def _no_such_database(url: str) -> str:
    return urlsplit(url)._replace(path="/nowhere").geturl()


def _no_such_role(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"nobody@{parts.netloc.rpartition('@')[2]}").geturl()


@pytest.mark.parametrize(
    ("wrong", "said", "fix"),
    [
        (_no_such_database, '"nowhere" does not exist', "correct the name of the database"),
        (_no_such_role, '"nobody" does not exist', "name a role that the server lets in"),
        (
            lambda _: "postgresql://no-such-host.invalid/x",
            "translate host name",
            "correct the host's name in the URL",
        ),
        (
            lambda _: "postgresql://127.0.0.1:1/x",
            "Connection refused",
            "start the server, or correct host and port",
        ),
        (lambda url: f"{url}?sslmode=require", "SSL", "correct sslmode in the URL"),
        (lambda url: f"{url}?colour=red", "colour", "correct the URL"),
    ],
    ids=["database", "role", "host", "port", "ssl", "option"],
)
def test_a_connection_that_fails_is_told_what_to_mend(
    postgresql: Server,
    new_repo: Callable[..., Repo],
    wrong: Callable[[str], str],
    said: str,
    fix: str,
) -> None:
    url = postgresql.database()
    done = new_repo().agentlock("init", "--database", wrong(url), "--timeout", "4s")
    assert done.code == 3, done
    assert said in done.err
    assert f"  fix: {fix}" in done.err
