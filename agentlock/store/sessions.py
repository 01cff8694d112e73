"""The rows of sessions: one run of an agent's program, its turns, its starts and compactions."""

from __future__ import annotations

from agentlock.model import Value
from agentlock.store.base import Noun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_COMPACTED = """
coalesce((SELECT max(m.created_ts) FROM compaction_metrics AS m WHERE m.conversation_id = c.id), 0)
"""
_COLUMNS = f"""
c.id, a.name, c.program, c.program_session, c.process, c.host, c.worktree, c.transcript,
c.started_ts, c.last_active_ts, c.ended_ts,
(SELECT count(*) FROM turns AS t WHERE t.conversation_id = c.id),
(SELECT sum(t.tokens) FROM turns AS t WHERE t.conversation_id = c.id),
(SELECT count(*) FROM compaction_metrics AS m WHERE m.conversation_id = c.id),
(SELECT count(*) FROM turns AS t WHERE t.conversation_id = c.id AND t.created_ts > {_COMPACTED}),
(SELECT sum(t.tokens) FROM turns AS t
    WHERE t.conversation_id = c.id AND t.created_ts > {_COMPACTED}),
c.tools, c.errors
"""  # noqa: S608 -- of constants
_FROM = f"""
SELECT {_COLUMNS} FROM conversations AS c JOIN agents AS a ON a.id = c.agent_id
WHERE c.project_id = ?1
"""  # noqa: S608
_OPEN = """
INSERT INTO conversations (project_id, agent_id, program, program_session, process, process_started,
    process_place, host, worktree, transcript, started_ts, last_active_ts)
VALUES (?1, (SELECT id FROM agents WHERE project_id = ?1 AND name = ?2), ?3, ?4, ?5, ?6, ?7, ?8, ?9,
    ?10, ?11, ?11)
ON CONFLICT (project_id, program, program_session) DO UPDATE SET
    ended_ts = NULL, last_active_ts = excluded.last_active_ts, process = excluded.process,
    process_started = excluded.process_started, process_place = excluded.process_place,
    at_prompt_ts = NULL,
    host = excluded.host, worktree = excluded.worktree, transcript = excluded.transcript
"""
_FIND = f"{_FROM} AND c.program = ?2 AND c.program_session = ?3"
_GET = f"{_FROM} AND c.id = ?2"
_ALL = f"{_FROM} ORDER BY c.id"
_ACTIVE = f"{_FROM} AND c.ended_ts IS NULL ORDER BY c.id"
_RECENT = f"{_FROM} AND c.ended_ts IS NOT NULL ORDER BY c.ended_ts DESC LIMIT ?2"
_SEEN = "UPDATE conversations SET last_active_ts = ?, at_prompt_ts = ? WHERE id = ?"
_END = "UPDATE conversations SET ended_ts = ? WHERE id = ?"
_ADD_TOOLS = "UPDATE conversations SET tools = tools + ?, errors = errors + ? WHERE id = ?"
_FORGET_TOOLS = "UPDATE conversations SET tools = 0, errors = 0 WHERE id = ?"
_TURN = """
INSERT INTO turns (project_id, conversation_id, role, size, tokens, content, created_ts)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_TURNS = """
SELECT id, role, size, tokens, content, created_ts FROM turns WHERE conversation_id = ? ORDER BY id
"""
_START = """
INSERT INTO bootstrap_history (project_id, conversation_id, source, files, size, created_ts)
VALUES (?, ?, ?, ?, ?, ?)
"""
_COMPACTION = """
INSERT INTO compaction_metrics (project_id, conversation_id, started_by, turns, tokens, errors,
    created_ts)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_FORGET_TEXTS = """
UPDATE turns SET content = NULL WHERE project_id = ? AND created_ts < ? AND content IS NOT NULL
"""
_OLD_TURNS = """
SELECT id FROM turns WHERE project_id = ? AND created_ts < ? ORDER BY created_ts LIMIT ?
"""
_ENDED = """
SELECT id FROM conversations WHERE project_id = ? AND ended_ts < ?
    AND NOT EXISTS (SELECT 1 FROM turns WHERE turns.conversation_id = conversations.id)
ORDER BY ended_ts LIMIT ?
"""
_OF_CONVERSATION = "DELETE FROM {} WHERE conversation_id = ?"
_STARTS = """
SELECT source, files, size, created_ts FROM bootstrap_history WHERE conversation_id = ? ORDER BY id
"""
_LAST_TOLD = """
SELECT (SELECT max(created_ts) FROM bootstrap_history
        WHERE project_id = ?1 AND conversation_id = ?2),
    (SELECT max(created_ts) FROM compaction_metrics WHERE conversation_id = ?2)
"""
_COMPACTIONS = """
SELECT id, started_by, turns, tokens, errors, created_ts FROM compaction_metrics
WHERE conversation_id = ? ORDER BY id
"""


class Conversation(Value):
    """One row of ``conversations``: a run of an agent's program.

    ``program_session`` is the program's own id. ``tokens`` is None where no hook was told any.
    ``turns_since`` and ``tokens_since`` count since the last compaction, and so do ``tools``, the
    uses of tools that have ended, and ``errors``, those of them that failed.
    """

    id: int
    agent: str
    program: str
    program_session: str
    process: int | None
    host: str
    worktree: str
    transcript: str
    started_ts: int
    last_active_ts: int
    ended_ts: int | None
    turns: int = 0
    tokens: int | None = None
    compactions: int = 0
    turns_since: int = 0
    tokens_since: int | None = None
    tools: int = 0
    errors: int = 0


class Turn(Value):
    """One turn; ``size`` in characters, ``content`` only where the policy keeps texts."""

    id: int
    role: str
    size: int
    tokens: int | None
    content: str | None
    created_ts: int


class Start(Value):
    """What a session was given at its start, or after a compaction; ``size`` in characters."""

    source: str
    files: tuple[str, ...]
    size: int
    created_ts: int


class Compaction(Value):
    """What had gathered when a program compacted its context, and what started that."""

    id: int
    started_by: str
    turns: int
    tokens: int | None
    errors: int
    created_ts: int


class Sessions(Noun):
    def all(self, *, active: bool = False) -> list[Conversation]:
        """Oldest first; ``active``: only those that have not ended."""
        return [Conversation(*row) for row in self._rows(_ACTIVE if active else _ALL)]

    def recent(self, most: int) -> list[Conversation]:
        """Those that have not ended, and the last so many that have."""
        ended = [Conversation(*row) for row in self._rows(_RECENT, most)]
        return self.all(active=True) + ended

    def get(self, number: int) -> Conversation | None:
        return next((Conversation(*row) for row in self._rows(_GET, number)), None)

    def find(self, program: str, session: str) -> Conversation | None:
        return next((Conversation(*row) for row in self._rows(_FIND, program, session)), None)

    def turns(self, number: int) -> list[Turn]:
        return [Turn(*row) for row in self._store.rows(_TURNS, (number,))]

    def starts(self, number: int) -> list[Start]:
        rows = self._store.rows(_STARTS, (number,))
        return [
            Start(source, tuple(files.splitlines()), size, created)
            for source, files, size, created in rows
        ]

    def compactions(self, number: int) -> list[Compaction]:
        return [Compaction(*row) for row in self._store.rows(_COMPACTIONS, (number,))]

    # What changes them: inside writing() only

    def must_be_told(self, number: int) -> bool:
        """Whether nobody told its agent who it is, or its program has compacted since."""
        started, compacted = self._rows(_LAST_TOLD, number)[0]
        return started is None or (compacted is not None and compacted >= started)

    def open(self, session: Conversation, started: int, place: str) -> None:
        """Begin a session of an agent that is registered, or go on with it under its first name.

        ``started`` and ``place`` tell its process from every other one.
        """
        process = (session.process, started or None, place)
        names = (session.agent, session.program, session.program_session)
        where = (session.host, session.worktree, session.transcript)
        self._rows(_OPEN, *names, *process, *where, session.started_ts)

    def seen(self, number: int, now: int, *, at_prompt: bool = False) -> None:
        """Something happened in the session; ``at_prompt``: it has ended a turn."""
        self._store.rows(_SEEN, (now, now if at_prompt else None, number))

    def end(self, numbers: Sequence[int], now: int) -> None:
        for number in numbers:
            self._store.rows(_END, (now, number))

    def add_turn(
        self, number: int, role: str, size: int, now: int, content: str | None = None
    ) -> None:
        self._rows(_TURN, number, role, size, None, content, now)

    def forget_texts(self, before: int) -> None:
        """Keep no text of a turn from before that time."""
        self._rows(_FORGET_TEXTS, before)

    def prune(self, before: int, most: int) -> None:
        """Remove turns of before that time, and sessions that ended then and have none left."""
        self._forget("turns", [number for (number,) in self._rows(_OLD_TURNS, before, most)], 1)
        ended = [number for (number,) in self._rows(_ENDED, before, most)]
        for number in ended:
            for table in ("bootstrap_history", "compaction_metrics"):
                self._store.rows(_OF_CONVERSATION.format(table), (number,))
        self._forget("conversations", ended, 1)

    def add_start(self, number: int, source: str, files: str, size: int, now: int) -> None:
        """What a session was given at its start: ``files`` one a line, ``size`` in characters."""
        self._rows(_START, number, source, files, size, now)

    def add_tools(self, number: int, ended: int, failed: int) -> None:
        """So many more uses of tools have ended, and so many of them failed."""
        self._store.rows(_ADD_TOOLS, (ended, failed, number))

    def add_compaction(
        self,
        number: int,
        started_by: str,
        turns: int,
        tokens: int | None,
        now: int,
        errors: int = 0,
    ) -> None:
        self._rows(_COMPACTION, number, started_by, turns, tokens, errors, now)
        self._store.rows(_FORGET_TOOLS, (number,))
