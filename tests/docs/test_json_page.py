"""The page about JSON names every key that the commands print."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support import HOLDER, OTHER, Repo

from agentlock.model import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGES = Path(__file__).resolve().parents[2] / "docs"


def keys(data: Any) -> Iterator[str]:
    """Every key of a document, at any depth."""
    for value in data if isinstance(data, list) else ():
        yield from keys(value)
    for key, value in data.items() if isinstance(data, dict) else ():
        yield key
        yield from keys(value)


def named(page: str) -> set[str]:
    """What a page has in backticks, or in quotation marks within JSON."""
    text = (PAGES / page).read_text(encoding="utf-8")
    return set(re.findall(r"`(\w+)`", text) + re.findall(r'"(\w+)"', text))


def test_every_key_that_a_command_prints_is_on_the_page(repo: Repo) -> None:
    known = named("reference/json.md") | named("how-to/ci.md") | named("reference/doctor.md")
    known |= set(SETTINGS)
    repo.write("src/a.py", "a")
    repo.commit_unguarded("files")
    asked = [
        (("reserve", "src/", "new.py"), HOLDER),
        (("reserve", "src/a.py", "docs/"), OTHER),
        (("check", "src/a.py", "docs/"), OTHER),
        (("check", "--range", "HEAD~1..HEAD"), OTHER),
        (("check", "--since", "1h"), OTHER),
        (("explain", "src/*.py", "src/a.py"), OTHER),
        (("ledger", "show", "HEAD"), OTHER),
        (("release", "--id", "1", "--force", "--reason", "test"), OTHER),
        (("ask", OTHER, "May I?"), HOLDER),
        (("answer", "2", "Yes."), OTHER),
        *(((*name.split(),), HOLDER) for name in ("inbox", "read 3", "ticket list")),
        (("status",), HOLDER),
        (("renew", "--all"), HOLDER),
        (("list", "--all"), HOLDER),
        (("show", "1"), HOLDER),
        (("release", "--all"), HOLDER),
        (("release", "--all"), HOLDER),
        (("frobnicate",), HOLDER),
        *(((name,), OTHER) for name in ("whoami", "doctor", "log", "init")),
        *(((*name.split(),), OTHER) for name in ("agent list", "policy show", "hooks status")),
        *((("db", name), OTHER) for name in ("path", "check", "migrate", "vacuum")),
        (("db", "backup", "../copy.sqlite3"), OTHER),
        (("db", "restore", "../copy.sqlite3"), OTHER),
        (("db", "prune", "--older-than", "1d"), OTHER),
    ]
    for command, agent in asked:
        done = repo.agentlock(*command, "--json", agent=agent)
        assert done.out, (command, done)
        assert set(keys(done.json)) - known == set(), command
