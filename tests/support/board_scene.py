"""A day of nine agents at one table: what the board's tests and pictures show."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

from agentlock.git.repository import discover
from agentlock.mail import tickets
from agentlock.mail.sending import Letter, send
from agentlock.model import MICROSECONDS
from agentlock.patterns.matching import Folding
from agentlock.patterns.syntax import Reading
from agentlock.records import Agent
from agentlock.reservations.ending import release
from agentlock.reservations.granting import Request, reserve
from agentlock.reservations.naming import Selection
from agentlock.store import open_table
from agentlock.store.sessions import Conversation
from agentlock.waiting import queue

if TYPE_CHECKING:
    from pathlib import Path

    from agentlock.store.base import Store

MINUTE = 60 * MICROSECONDS
HOUR = 60 * MINUTE
RESTING = ("GreenHill", "RedFox", "SilverFern", "QuietPine")  # at their prompts
_LENGTH, _STEP = 50 * MINUTE, 5 * MINUTE // 2
FILES = (
    *(f"src/auth/{name}.py" for name in ("login", "logout", "session", "token", "roles", "oauth")),
    *(f"src/billing/{name}.py" for name in ("invoice", "tax", "ledger", "refund", "currency")),
    *(f"src/api/v{v}/{name}.py" for v in (1, 2) for name in ("users", "teams", "files", "search")),
    *(f"src/api/v2/handlers/h{at}.py" for at in range(24)),
    *(f"web/components/{name}.tsx" for name in ("App", "Menu", "Table", "Chart", "Form", "Modal")),
    *(f"web/pages/page{at}.tsx" for at in range(18)),
    *(f"web/styles/{name}.css" for name in ("base", "theme", "print")),
    *(f"tests/unit/test_{at}.py" for at in range(40)),
    *(f"tests/end_to_end/test_{at}.py" for at in range(16)),
    *(f"docs/guide/{at:02}.md" for at in range(14)),
    *(f"migrations/{at:04}.sql" for at in range(22)),
    *("README.md", "pyproject.toml", "Makefile", "CHANGELOG.md"),
)
AGENTS = {  # name: program, branch, minutes since it was seen
    "BlueLake": ("claude", "feat/login", 0),
    "GreenHill": ("codex", "feat/tokens", 1),
    "RedFox": ("claude", "fix/roles", 1),
    "AmberOwl": ("gemini", "feat/invoices", 47),
    "SilverFern": ("claude", "fix/tax", 1),
    "QuietPine": ("copilot", "docs/guide", 0),
    "NightHeron": ("claude", "feat/charts", 1),
    "StoneCrab": ("opencode", "chore/migrations", 1),
    "WildPlum": ("claude", "test/e2e", 9),
}


def write_files(folder: Path) -> None:
    for name in FILES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name}\n", encoding="utf-8")


def play() -> None:
    """Let the day happen in the guarded repository that this process is in."""
    repository = discover()
    with closing(open_table(repository)) as store:
        _Day(store, os.fsdecode(repository.root)).play()


class _Day:
    """The store's clock is the day's: each step is some minutes after the one before."""

    def __init__(self, store: Store, root: str) -> None:
        self.store = store
        self.root = root
        self._start = store.now() - _LENGTH
        self._passed = 0
        store.now = lambda: self._start + self._passed  # type: ignore[method-assign]

    def play(self) -> None:
        for name in AGENTS:
            self._arrive(name)
        self._hold("BlueLake", "src/auth/**", reason="bd-42: log in with a passkey")
        self._hold("AmberOwl", "src/billing/**", "tests/unit/test_7.py", reason="bd-31: invoices")
        self._hold("NightHeron", "web/components/**", "web/styles/theme.css", reason="bd-50")
        self._hold("StoneCrab", "migrations/0021.sql", reason="bd-47", ttl=50 * MINUTE)
        self._hold("QuietPine", "docs/**/*.md", reason="bd-12", exclusive=False)
        self._hold("WildPlum", "tests/end_to_end/**", "tool:browser", reason="bd-51")
        self._hold("StoneCrab", "Makefile", reason="bd-47")
        self._wait("GreenHill", "src/auth/token.py", reason="bd-44: rotate tokens")
        self._wait("RedFox", "src/auth/", reason="bd-45: roles")
        self._wait("SilverFern", "src/billing/tax.py", reason="bd-39: VAT")
        self._wait("QuietPine", "Makefile")
        for _ in range(3):
            self._hold("RedFox", "src/auth/roles.py")  # refused
        with self.store.writing():
            held = self.store.reservations.all(agent="StoneCrab", live_at=self.store.now())
        release(self.store, "StoneCrab", Selection(ids=(held[-1].id,)))  # to QuietPine
        self._passed = _LENGTH - 2 * MINUTE
        self._write()
        self._passed = _LENGTH
        self._sessions()
        self._see()

    def _arrive(self, name: str) -> None:
        program, branch, _ = AGENTS[name]
        now = self.store.now()
        place = (f"{self.root}-{branch.rpartition('/')[2]}", branch, os.uname().nodename)
        with self.store.writing():
            self.store.agents.locate(Agent(name, program, "", now, now, *place, 0, now))

    def _request(self, name: str, patterns: tuple[str, ...], **given: object) -> Request:
        readings = [
            Reading(b"/" + pattern.encode(), pattern.encode(), "glob")
            if not pattern.startswith("tool:")
            else Reading(b"tool://" + pattern.encode()[5:], pattern.encode(), "literal")
            for pattern in patterns
        ]
        ttl, exclusive = int(str(given.get("ttl", HOUR))), bool(given.get("exclusive", True))
        return Request(name, readings, ttl, exclusive, str(given.get("reason", "")))

    def _hold(self, name: str, *patterns: str, **given: object) -> None:
        self._passed += _STEP
        reserve(self.store, self._request(name, patterns, **given), Folding())

    def _wait(self, name: str, *patterns: str, **given: object) -> None:
        self._passed += _STEP
        request = self._request(name, patterns, **given)
        queue.ask(self.store, request, Folding(), None, last=2 * HOUR, queued=True)

    def _write(self) -> None:
        send(
            self.store,
            Letter(
                *("GreenHill", ("BlueLake",), "tokens"),
                body="I need token.py for ten minutes. Can you let it go after your next commit?",
            ),
        )
        send(self.store, Letter("WildPlum", ("NightHeron", "BlueLake"), "the browser is mine"))
        tickets.ask(self.store, "SilverFern", "AmberOwl", "Are you still there?", HOUR, None)

    def _sessions(self) -> None:
        now = self.store.now()
        with self.store.writing():
            for at, (name, (program, _, _)) in enumerate(AGENTS.items()):
                row = Conversation(
                    *(0, name, program, f"s-{at}", None, os.uname().nodename),
                    *(f"{self.root}-{at}", "", now - 50 * MINUTE, now, None),
                )
                self.store.sessions.open(row, 0, "")
            number = self.store.sessions.all()[0].id
            for turn in range(40):
                role, size = (
                    ("user", 180) if turn % 2 == 0 else ("assistant", 900 + turn * 97 % 2300)
                )
                moment = now - (45 - turn) * MINUTE
                self.store.sessions.add_turn(number, role, size, moment)
                if turn in (17, 33):
                    self.store.sessions.add_compaction(number, "auto", turn, None, moment + 1)

    def _see(self) -> None:
        """Let each agent have been seen when the scene says."""
        now = self._start + _LENGTH
        with self.store.writing():
            for name, (_, _, minutes) in AGENTS.items():
                seen = now - minutes * MINUTE
                self.store.rows(
                    "UPDATE agents SET last_active_ts = ?, located_ts = ? WHERE project_id = ? "
                    "AND name = ?",
                    (seen, seen, self.store.project_id, name),
                )
                self.store.rows(
                    "UPDATE conversations SET last_active_ts = ?, at_prompt_ts = ? WHERE agent_id "
                    "= (SELECT id FROM agents WHERE project_id = ? AND name = ?)",
                    (seen, seen if name in RESTING else None, self.store.project_id, name),
                )
