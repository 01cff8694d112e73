"""The password comes from where libpq looks for it, and lands nowhere else; TLS is as asked for."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import AGENTLOCK
from support.postgresql import OwnServer, running

from agentlock.store.base import APPLICATION_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support import Repo

SECRET = "correct-horse-battery"


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    with tempfile.TemporaryDirectory(prefix="agentlock-server-") as folder:
        Path(folder).chmod(0o755)
        with running(Path(folder) / "data") as server:
            server.run(f"CREATE ROLE agent LOGIN SUPERUSER PASSWORD '{SECRET}'")
            server.require_password("agent")
            yield server


@pytest.fixture(params=["PGPASSFILE", "~/.pgpass", "PGPASSWORD", "service"])
def url(
    request: pytest.FixtureRequest, server: OwnServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The URL of a database that asks for a password, which is kept as the parameter says."""
    url = server.url_of(server.database().rpartition("/")[2], "agent")
    line = f"127.0.0.1:{server.port}:*:agent:{SECRET}\n"
    if request.param == "PGPASSWORD":
        monkeypatch.setenv("PGPASSWORD", SECRET)
    elif request.param == "service":
        service = home / "services"
        fields = f"host=127.0.0.1\nport={server.port}\nuser=agent\npassword={SECRET}\n"
        service.write_text(f"[agents]\n{fields}dbname={url.rpartition('/')[2]}\n")
        monkeypatch.setenv("PGSERVICEFILE", str(service))
        return "postgresql:///?service=agents"
    else:
        passwords = home / (".pgpass" if "~" in request.param else "passwords")
        passwords.write_text(line)
        passwords.chmod(0o600)
        if request.param == "PGPASSFILE":
            monkeypatch.setenv("PGPASSFILE", str(passwords))
    return url


def test_the_password_is_found_and_lands_nowhere(
    url: str, new_repo: Callable[..., Repo], server: OwnServer
) -> None:
    repo = new_repo()
    told = repo.agentlock("init", "--database", url, "--json")
    assert told.code == 0, told
    repo.reserve("BlueLake", "src/**")
    repo.write("src/x.py")
    refused = repo.commit_all(agent="GreenHill")
    assert refused.code == 1
    assert "src/x.py  BlueLake" in refused.err

    held = f"SELECT pg_advisory_xact_lock({APPLICATION_ID}, 1)"
    with server.holding(held, server.url_of(url_database(server, url))):
        waiting = subprocess.Popen(
            (*AGENTLOCK, "release", "--all"),
            cwd=repo.path,
            env={**os.environ, "AGENTLOCK_AGENT": "BlueLake"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        server.wait_for_waiter()
        seen = subprocess.run(("ps", "-eo", "args"), capture_output=True, text=True, check=True)
    out, err = waiting.communicate()
    assert waiting.returncode == 0, err
    assert "release --all" in seen.stdout
    everything = [told.out, told.err, refused.err, seen.stdout, out.decode(), err.decode()]
    everything += [str(repo.sql(f"SELECT * FROM {table}")) for table in ("events", "projects")]  # noqa: S608
    assert SECRET not in "".join(everything)
    for path in (repo.path / ".git").rglob("*"):
        assert not (path.is_file() and SECRET.encode() in path.read_bytes()), path


def url_database(server: OwnServer, url: str) -> str:
    """The database's name, which a service file keeps to itself."""
    if "service" not in url:
        return url.rpartition("/")[2]
    newest = "SELECT datname FROM pg_database ORDER BY oid DESC LIMIT 1"
    return str(server.run(newest)[0][0])


@pytest.mark.parametrize("mode", ["require", "verify-full"])
def test_a_server_without_tls_is_refused_where_the_url_asks_for_it(
    mode: str, new_repo: Callable[..., Repo], server: OwnServer
) -> None:
    repo = new_repo()
    refused = repo.agentlock("init", "--database", f"{server.database()}?sslmode={mode}")
    assert refused.code == 3
    assert "cannot be reached" in refused.err
    assert "SSL" in refused.err
    assert repo.git("config", "agentlock.database").code == 1
