"""An MCP Agent Mail as its two versions leave it on the disk: a database, and an archive.

The tables are those that the Python version makes itself (mcp_agent_mail 0.3.2, b3e2c9f, with its
function ensure_schema), without the full-text index and what only other tools of it use.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from contextlib import closing
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SCHEMA = """
CREATE TABLE projects (
    id INTEGER NOT NULL PRIMARY KEY, slug VARCHAR(255) NOT NULL, human_key VARCHAR(255) NOT NULL,
    created_at DATETIME NOT NULL, archived_at DATETIME);
CREATE UNIQUE INDEX ix_projects_slug ON projects (slug);
CREATE TABLE agents (
    id INTEGER NOT NULL PRIMARY KEY, project_id INTEGER NOT NULL REFERENCES projects (id),
    name VARCHAR(128) NOT NULL, program VARCHAR(128) NOT NULL, model VARCHAR(128) NOT NULL,
    task_description VARCHAR(2048) NOT NULL, inception_ts DATETIME NOT NULL,
    last_active_ts DATETIME NOT NULL, attachments_policy VARCHAR(16) NOT NULL,
    contact_policy VARCHAR(16) NOT NULL, registration_token VARCHAR(64), retired_at DATETIME,
    CONSTRAINT uq_agent_project_name UNIQUE (project_id, name));
CREATE TABLE messages (
    id INTEGER NOT NULL PRIMARY KEY, project_id INTEGER NOT NULL REFERENCES projects (id),
    sender_id INTEGER NOT NULL REFERENCES agents (id), thread_id VARCHAR(128), topic VARCHAR(64),
    subject VARCHAR(512) NOT NULL, body_md VARCHAR NOT NULL, importance VARCHAR(16) NOT NULL,
    ack_required BOOLEAN NOT NULL, created_ts DATETIME NOT NULL,
    attachments JSON DEFAULT '[]' NOT NULL);
CREATE INDEX ix_messages_sender_id ON messages (sender_id);
CREATE TABLE message_recipients (
    message_id INTEGER NOT NULL REFERENCES messages (id),
    agent_id INTEGER NOT NULL REFERENCES agents (id), kind VARCHAR(8) NOT NULL,
    read_ts DATETIME, ack_ts DATETIME, PRIMARY KEY (message_id, agent_id));
CREATE INDEX idx_message_recipients_agent ON message_recipients (agent_id);
CREATE TABLE file_reservations (
    id INTEGER NOT NULL PRIMARY KEY, project_id INTEGER NOT NULL REFERENCES projects (id),
    agent_id INTEGER NOT NULL REFERENCES agents (id), path_pattern VARCHAR(512) NOT NULL,
    exclusive BOOLEAN NOT NULL, reason VARCHAR(512) NOT NULL, created_ts DATETIME NOT NULL,
    expires_ts DATETIME NOT NULL, released_ts DATETIME);
CREATE INDEX idx_file_reservations_project_released_expires
    ON file_reservations (project_id, released_ts, expires_ts);
CREATE INDEX idx_file_reservations_project_agent_released
    ON file_reservations (project_id, agent_id, released_ts);
"""
HOUR = 3600.0


def kept(seconds: float) -> str:
    """A moment, that many seconds from now, as SQLAlchemy keeps it: UTC without a zone."""
    moment = datetime.fromtimestamp(time.time() + seconds, tz=timezone.utc)
    return moment.replace(tzinfo=None).strftime("%Y-%m-%d %H:%M:%S.%f")


class Mailbox:
    """The database of an Agent Mail's Python version."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(self._connect()) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(SCHEMA)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, isolation_level=None)

    def run(self, statement: str, *parameters: Any) -> int:
        """Run one statement; the id of the row that it inserted."""
        with closing(self._connect()) as connection:
            return int(connection.execute(statement, parameters).lastrowid or 0)

    def project(self, folder: Path | str) -> int:
        slug = str(folder).lower().strip("/").replace("/", "-")
        statement = "INSERT INTO projects (slug, human_key, created_at) VALUES (?, ?, ?)"
        return self.run(statement, slug, str(folder), kept(0))

    def agent(self, project: int, name: str, active: float = 0) -> int:
        return self.run(
            "INSERT INTO agents (project_id, name, program, model, task_description, inception_ts,"
            " last_active_ts, attachments_policy, contact_policy)"
            " VALUES (?, ?, 'claude-code', 'opus', '', ?, ?, 'auto', 'auto')",
            *(project, name, kept(active), kept(active)),
        )

    def reserve(
        self,
        project: int,
        agent: int,
        pattern: str,
        *,
        exclusive: bool = True,
        expires: float = HOUR,
        reason: str = "",
    ) -> int:
        return self.run(
            "INSERT INTO file_reservations (project_id, agent_id, path_pattern, exclusive, reason,"
            " created_ts, expires_ts) VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(project, agent, pattern, exclusive, reason, kept(0), kept(expires)),
        )

    def send(
        self,
        project: int,
        sender: int,
        to: Sequence[int],
        subject: str,
        *,
        thread: str | None = None,
        at: float = 0,
        read: float | None = None,
        body: str = "Hello",
        importance: str = "normal",
    ) -> int:
        number = self.run(
            "INSERT INTO messages (project_id, sender_id, thread_id, subject, body_md, importance,"
            " ack_required, created_ts) VALUES (?, ?, ?, ?, ?, ?, 1, ?)",
            *(project, sender, thread, subject, body, importance, kept(at)),
        )
        for kind, agent in (("to", to[0]), *(("cc", one) for one in to[1:])):
            self.run(
                "INSERT INTO message_recipients VALUES (?, ?, ?, ?, NULL)",
                *(number, agent, kind, None if read is None else kept(read)),
            )
        return number

    def release(self, reservation: int) -> None:
        statement = "UPDATE file_reservations SET released_ts = ? WHERE id = ?"
        self.run(statement, kept(0), reservation)


class Archive:
    """The archive of one project: ``generation`` is the Rust version's, and makes it one."""

    def __init__(self, root: Path, folder: Path, *, generation: str = "") -> None:
        self.root = root
        self.generation = generation
        self._about = str(folder)
        self.project = root / "projects" / str(folder).lower().strip("/").replace("/", "-")
        self.reservations = self.project / "file_reservations"
        self.reservations.mkdir(parents=True)
        if generation:
            about = {"slug": self.project.name, "human_key": self._about}
            (self.project / "project.json").write_text(json.dumps(about), encoding="utf-8")

    def reserve(self, number: int, agent: str, pattern: str, **others: Any) -> Path:
        """Write a reservation as both versions do, in two files; the one with its number."""
        record = {
            "id": number,
            "project": self._about,
            "agent": agent,
            "path_pattern": pattern,
            "exclusive": True,
            "reason": "",
            "created_ts": _iso(0),
            "expires_ts": _iso(HOUR),
        }
        record |= {"db_generation": self.generation} if self.generation else {}
        record |= others
        text = json.dumps(record, indent=2, sort_keys=True)
        digest = hashlib.sha1(pattern.encode(), usedforsecurity=False).hexdigest()
        (self.reservations / f"{digest}.json").write_text(text, encoding="utf-8")
        name = f"id-{number}-g{self.generation}" if self.generation else f"id-{number}"
        path = self.reservations / f"{name}.json"
        path.write_text(text, encoding="utf-8")
        return path

    def profile(self, agent: str) -> None:
        """Write what both versions keep of an agent."""
        folder = self.project / "agents" / agent
        folder.mkdir(parents=True)
        known = {"name": agent, "program": "codex", "model": "gpt", "last_active_ts": _iso(-60)}
        (folder / "profile.json").write_text(json.dumps(known), encoding="utf-8")

    def send(self, number: int, sender: str, to: str, subject: str, body: str) -> None:
        """Write a message as both versions do."""
        folder = self.project / "messages" / "2026" / "01"
        folder.mkdir(parents=True, exist_ok=True)
        head = {"id": number, "from": sender, "to": [to], "cc": [], "subject": subject,
                "created": _iso(number - 100), "importance": "high", "thread_id": None}  # fmt: skip
        text = f"---json\n{json.dumps(head, indent=2)}\n---\n\n{body}\n"
        (folder / f"x__{number}.md").write_text(text, encoding="utf-8")


def _iso(seconds: float) -> str:
    return kept(seconds).replace(" ", "T") + "+00:00"


def over() -> dict[str, str]:
    """What both versions write into the record of a lease that was released."""
    return {"released_ts": _iso(-1), "expires_ts": _iso(-1)}
