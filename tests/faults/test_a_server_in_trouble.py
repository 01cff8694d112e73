"""A server that cannot be asked: every operation is refused, and changes nothing."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from faults.server_scenes import FAULTS, SECRET, WRITERS_LOCK, guarded
from support import HOLDER, OTHER, run
from support.postgresql import OwnServer, running

from agentlock.store import open_store
from agentlock.table_errors import DatabaseUnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faults.server_scenes import Fault, Scene

REFUSAL = r"agentlock: (?:\w+ refused: )?(?P<sentence>[^\n]+)\n  (?:fix|see): [^\n]+\n"


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    with tempfile.TemporaryDirectory(prefix="agentlock-server-") as folder:
        Path(folder).chmod(0o755)
        with running(Path(folder) / "data") as server:
            yield server


@pytest.fixture
def scene(tmp_path: Path, server: OwnServer) -> Iterator[Scene]:
    with guarded(server, tmp_path) as scene:
        yield scene


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_what_cannot_be_asked_is_refused_and_changes_nothing(fault: Fault, scene: Scene) -> None:
    head, pushed = scene.repo.head, scene.remote.must("for-each-ref")
    held = scene.held()
    fault.arrange(scene)
    for operation, result in scene.try_everything().items():
        if operation not in fault.only:
            continue
        assert result.code == (1 if operation in ("commit", "push") else 3), (operation, result)
        told = re.search(REFUSAL, result.err)
        assert told is not None, (operation, result)
        assert re.search(fault.says, told["sentence"]), (operation, result)
        assert "Traceback" not in result.err
        assert SECRET not in result.out + result.err
    if "commit" in fault.only:
        assert scene.repo.head == head
        assert scene.remote.must("for-each-ref") == pushed
    scene.cleanup.close()
    scene.server.revive()
    if fault.name != "the tables are gone":
        assert scene.held() == held


def test_a_grant_whose_answer_is_lost_is_reported_granted(scene: Scene) -> None:
    scene.wire.deaf_after, scene.wire.once = b"COMMIT\0", True
    scene.environment["AGENTLOCK_TIMEOUT"] = "10"
    granted = scene.reserve("docs/**")
    assert granted.code == 0, granted
    assert scene.wire.deaf_after == b"", "nothing was lost"
    assert (OTHER, "/docs/**") in scene.held()


def test_a_grant_whose_commit_never_arrived_is_reported_refused_and_is_not_there(
    scene: Scene,
) -> None:
    scene.wire.cut_at, scene.wire.once = b"COMMIT\0", True
    scene.environment["AGENTLOCK_TIMEOUT"] = "10"
    refused = scene.reserve("docs/**")
    assert scene.wire.cut_at == b"", "nothing was cut"
    assert refused.code == 3, refused
    assert "was lost, and nothing was changed" in refused.err
    assert [name for name, _ in scene.held()] == [HOLDER]


@pytest.mark.parametrize("arranged", ["cut_at", "deaf_after"])
def test_where_nobody_can_be_asked_whether_it_was_committed_nobody_is_told_that_it_was_not(
    scene: Scene, arranged: str
) -> None:
    setattr(scene.wire, arranged, b"COMMIT\0")
    scene.wire.then_refusing = True
    unknown = scene.reserve("docs/**", "--json")
    assert unknown.code == 3
    assert unknown.json["error"]["kind"] == "outcome-unknown"
    assert "nobody knows whether this was done" in unknown.json["error"]["message"]
    assert "agentlock list --mine" in unknown.json["error"]["hint"]
    assert (len(scene.held()) == 2) == (arranged == "deaf_after")


def test_a_server_that_took_over_is_not_believed_about_a_transaction_of_the_former(
    scene: Scene,
) -> None:
    with scene.server.standby(scene.server.folder.parent / "heir") as heir:
        heir.run("SELECT pg_promote()")
        scene.wire.deaf_after, scene.wire.then_server = b"COMMIT\0", heir.port
        scene.environment["AGENTLOCK_TIMEOUT"] = "3"
        unknown = scene.reserve("docs/**", "--json")
    assert unknown.code == 3
    assert unknown.json["error"]["kind"] == "outcome-unknown"


def test_a_server_that_is_restarted_is_used_again(scene: Scene) -> None:
    scene.server.stop()
    assert scene.reserve("docs/**").code == 3
    scene.server.start()
    scene.environment["AGENTLOCK_TIMEOUT"] = "20"
    assert scene.reserve("docs/**").code == 0


def test_a_server_killed_while_one_waits_for_its_lock_has_granted_nothing(scene: Scene) -> None:
    with scene.server.holding(WRITERS_LOCK, scene.url):
        scene.environment["AGENTLOCK_TIMEOUT"] = "20"
        waiting = scene.repo.agentlock_in_background(
            "reserve", "docs/**", agent=OTHER, env=scene.environment
        )
        scene.server.wait_for_waiter()
        scene.server.kill()
        out, err = waiting.communicate()
    assert waiting.returncode == 3, (out, err)
    assert b"was lost, and nothing was changed" in err
    scene.server.start()
    assert [name for name, _ in scene.held()] == [HOLDER]


@pytest.mark.parametrize("user", ["", "postgres"])
def test_a_hook_has_one_connection_and_asks_one_question(
    scene: Scene, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With PGUSER, or another setting of libpq's, libpq asks it."""
    scene.use(f"{scene.wire.url(scene.url)}?sslmode=disable")
    if user:
        monkeypatch.setenv("PGUSER", user)
    scene.wire.connections = scene.wire.questions = 0
    scene.repo.must("add", "free.md")
    hook = run(str(scene.repo.path / ".git/hooks/pre-commit"), cwd=scene.repo.path, agent=OTHER)
    assert hook.code == 0, hook
    assert scene.wire.connections == 1
    start_and_farewell = 2
    assert scene.wire.questions == start_and_farewell + 1


def test_a_client_that_hangs_in_its_transaction_does_not_stop_the_others(scene: Scene) -> None:
    """Its end of the wire is there, and says nothing: the server ends the transaction."""
    scene.environment["AGENTLOCK_TIMEOUT"] = "30"
    identifier = scene.repo.must("config", "agentlock.databaseId")
    store = open_store(scene.wire.url(scene.url), identifier, "p")
    writing = store.writing()
    writing.__enter__()
    assert scene.reserve("docs/**").code == 0
    with pytest.raises(DatabaseUnreachableError, match="was lost"):
        store.agents.register("TooLate", 1)
    store.close()
