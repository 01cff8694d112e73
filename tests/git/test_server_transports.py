"""Who pushes, over smart HTTP and over ssh: what the server authenticated, and nothing else."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import asyncssh
import pytest
from support import HOLDER, OTHER, Repo, Result, run, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def clone(repo: Repo, tmp_path: Path) -> Repo:
    """A clone without hooks, with a commit in what BlueLake has reserved, of a guarded server."""
    server = tmp_path / "served" / "server.git"
    server.parent.mkdir()
    run("git", "clone", "-q", "--bare", str(repo.path), str(server), cwd=tmp_path)
    made = Repo(server).agentlock(
        *("init", "--server", "--database", str(repo.database)),
        *("--identity-variable", "REMOTE_USER", "--identity-variable", "AGENTLOCK_PUSHER"),
    )
    assert made.code == 0, made
    repo.reserve(HOLDER, "README.md")
    run("git", "clone", "-q", str(server), "clone", cwd=tmp_path)
    clone = Repo(tmp_path / "clone")
    clone.write("README.md", "changed\n")
    clone.must("commit", "-q", "-a", "-m", "change")
    return clone


@pytest.fixture
def over_http(clone: Repo) -> Iterator[Callable[..., Result]]:
    with serving.http_server(clone.path.parent / "served", login=True) as address:

        def push(who: str, *options: str, env: dict[str, str] | None = None) -> Result:
            return push_to(f"{who}:secret@{address}", clone, *options, env=env)

        yield push


def push_to(address: str, clone: Repo, *options: str, env: dict[str, str] | None = None) -> Result:
    return clone.git(
        *("-c", "http.proxy=", *options, "push", f"http://{address}/server.git", "main"),
        env={"GIT_TERMINAL_PROMPT": "0", "NO_PROXY": "127.0.0.1", **(env or {})},
    )


@pytest.fixture
def over_ssh(clone: Repo, tmp_path: Path) -> Iterator[Callable[..., Result]]:
    """Each agent has a key, whose line in authorized_keys says who it is; one has no name."""
    lines = []
    for who in (HOLDER, OTHER, None):
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(str(tmp_path / f"key-{who}"))
        named = f'restrict,environment="AGENTLOCK_PUSHER={who}"' if who else "restrict"
        lines.append(f"{named} {key.export_public_key().decode()}")
    keys = tmp_path / "authorized_keys"
    keys.write_text("".join(lines), encoding="ascii")
    with serving.ssh_server(keys, "git-shell") as port:

        def push(who: str | None, *options: str, env: dict[str, str] | None = None) -> Result:
            command = shlex.join(
                (
                    sys.executable,
                    serving.__file__,
                    "connect",
                    str(port),
                    str(tmp_path / f"key-{who}"),
                )
            )
            return clone.git(
                *("push", *options, f"git@server:{tmp_path}/served/server.git", "main"),
                env={"GIT_SSH_COMMAND": command, "GIT_SSH_VARIANT": "simple", **(env or {})},
            )

        yield push


def assert_refused(result: Result) -> None:
    assert result.code == 1, result
    assert "remote: agentlock: push refused: 1 of 1 path is reserved by others" in result.err
    assert "README.md  BlueLake  exclusive" in result.err
    assert "pre-receive hook declined" in result.err


def test_over_http_the_login_says_who_pushes(over_http: Callable[..., Result]) -> None:
    assert_refused(over_http(OTHER))
    claim = ("-c", f"http.extraHeader=Remote-User: {HOLDER}")
    assert_refused(over_http(OTHER, *claim))
    assert_refused(over_http(OTHER, env={"REMOTE_USER": HOLDER, "AGENTLOCK_PUSHER": HOLDER}))
    assert over_http(HOLDER).code == 0


def test_over_http_without_a_login_nobody_has_a_name(clone: Repo) -> None:
    served = clone.path.parent / "served"
    with serving.http_server(served, login=False) as address:
        assert push_to(address, clone).code == 128  # git's own backend wants a login
        Repo(served / "server.git").must("config", "http.receivepack", "true")
        assert_refused(push_to(address, clone, env={"REMOTE_USER": HOLDER}))


def test_over_ssh_the_key_says_who_pushes(over_ssh: Callable[..., Result]) -> None:
    assert_refused(over_ssh(OTHER))
    assert_refused(over_ssh(None))
    assert_refused(over_ssh(OTHER, env={"AGENTLOCK_PUSHER": HOLDER, "REMOTE_USER": HOLDER}))
    claim = f"--receive-pack=env AGENTLOCK_PUSHER={HOLDER} git-receive-pack"
    claimed = over_ssh(OTHER, claim)
    assert claimed.code == 128
    assert "unrecognized command" in claimed.err  # git-shell's
    assert over_ssh(HOLDER).code == 0
