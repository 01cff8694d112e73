"""Every place where a text reaches agentlock, and what is tried there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from histories.workers import Worker
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import Repo

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from support import Result

PATIENCE = 30.0  # seconds after which a command counts as hung
HELD = "held.py"
FRAGMENTS = (
    *("-", "--", "--json", "--force", "-C", "--upload-pack=x", "..", "...", "/", "//", "~", "@{u}"),
    *("*", "**", "?", "[", "]", "[!", "[[:alpha:]]", "{", "}", ",", "{a,b}", "!", "\\", "(", "|"),
    *("\n", "\r", "\t", "\x1b[31m", "\x1b]0;x\x07", "\x7f", "\x9b2J", "\u202e", "\u200b", "\u2028"),
    *("\udcff", "\udc80", "é", "e\u0301", "🦀", "٣", "%s", "%00", "$HOME", "`id`", "'", '"', ";"),
    *(":", ":(glob)", ":/", "refs/heads/x", "HEAD", "0" * 40, ".git", ".git/config", "src", HELD),
    *("1", "-1", "1h", "60s", "9" * 30, "1e9", "nan", "null", "{}", "x" * 300, "a*" * 40),
)
TEXTS = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40),
    st.lists(st.sampled_from(FRAGMENTS), max_size=6).map("".join),
    st.binary(max_size=40).map(lambda data: os.fsdecode(data.replace(b"\0", b""))),
)


class Attempt(NamedTuple):
    """A command with a text in it; the variables and the stdin that it is given."""

    command: tuple[str, ...]
    env: Mapping[str, str] = {}
    stdin: bytes = b""


def _command(*words: str) -> Callable[[str], Attempt]:
    """The command with the text in the place of each ``@``."""
    return lambda text: Attempt(("agentlock", *(word.replace("@", text) for word in words)))


def _variable(name: str, *words: str) -> Callable[[str], Attempt]:
    return lambda text: Attempt(("agentlock", *words), {name: text})


def _setting(name: str, *words: str) -> Callable[[str], Attempt]:
    return lambda text: Attempt(
        ("agentlock", *words),
        {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": name, "GIT_CONFIG_VALUE_0": text},
    )


def _on_stdin(*words: str) -> Callable[[str], Attempt]:
    return lambda text: Attempt(("agentlock", *words), stdin=os.fsencode(text))


def _ref_line(text: str) -> Attempt:
    line = f"refs/heads/{text} {'1' * 40} {text} {'0' * 40}\n"
    return Attempt(("agentlock", "hook", "pre-push", "origin", text), stdin=os.fsencode(line))


def _email(text: str) -> Attempt:
    """A person's name and address, as they are recorded with the escape hatch."""
    who = {"GIT_COMMITTER_NAME": text, "GIT_COMMITTER_EMAIL": text, "AGENTLOCK_SKIP": "because"}
    return Attempt(("git", "commit", "--amend", "-q", "-m", "x", "--", HELD), who)


KINDS: Mapping[str, tuple[Callable[[str], Attempt], ...]] = {
    "patterns": (
        _command("reserve", "--shared", "--", "@"),
        _command("explain", "--", "@", HELD),
        _command("release", "--", "@"),
        _command("policy", "set", "exempt", "--reason", "fuzz", "--", "@"),
    ),
    "paths": (
        _command("check", "--", "@"),
        _command("list", "--path=@"),
        _command("log", "--path=@"),
        _on_stdin("check", "--stdin"),
    ),
    "durations": (
        _command("reserve", "x.py", "--shared", "--ttl=@"),
        _command("list", "--timeout=@"),
        _command("log", "--since=@"),
        _command("policy", "set", "max_ttl=@", "--reason", "fuzz"),
    ),
    "agent names": (_command("whoami", "--agent=@"), _command("list", "--agent=@")),
    "reasons": (
        _command("reserve", "x.py", "--shared", "--reason=@"),
        _command("release", "--id", "1", "--force", "--reason=@"),
        _command("reserve", "x.py", "--shared", "--program=@", "--model=@"),
    ),
    "numbers": (_command("show", "--", "@"), _command("renew", "--id=@")),
    "revisions": (_command("check", "--range=@"), _command("check", "--since=@")),
    "ref lines": (_on_stdin("hook", "pre-push", "origin", "url"), _ref_line),
    "words": (
        _command("@"),
        _command("hook", "@"),
        _command("policy", "set", "@", "@", "--reason=@"),
    ),
    "variables": (
        _variable("AGENTLOCK_AGENT", "whoami"),
        _variable("AGENT_NAME", "whoami"),
        _variable("AGENTLOCK_TIMEOUT", "list"),
        _variable("AGENTLOCK_PROBE", "hook", "pre-commit"),
        _variable("AGENTLOCK_SKIP", "hook", "pre-commit"),
        _variable("GIT_PREFIX", "hook", "pre-commit"),
        _variable("GITHEAD_x", "hook", "pre-merge-commit"),
    ),
    "settings": (
        _setting("agentlock.agent", "whoami"),
        _setting("agentlock.database", "list"),
        _setting("core.hooksPath", "status"),
        _setting("core.ignorecase", "list"),
        _setting("remote.origin.url", "status"),
    ),
    "e-mails": (_email,),
}


class Target:
    """A repository with a staged change of a path that another agent holds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repo = Repo(folder / "repo")
        self.repo.path.mkdir(parents=True)
        self.repo.must("init", "-q")
        for name in (HELD, "x.py", "src/a.py"):
            self.repo.write(name)
        self.repo.commit_unguarded("start")
        result = self.repo.agentlock("init")
        assert result.code == 0, result
        self.repo.reserve("BlueLake", HELD, "--ttl", "20h")
        self.repo.write(HELD, "changed\n")
        self.repo.must("add", "--all")
        self._worker = Worker("GreenHill", self.repo.path)
        self._files = self.files()
        self.tried = 0

    def close(self) -> None:
        self._worker.close()

    def files(self) -> dict[str, int]:
        """Every file that is nobody's to write, with its size: all but the table's and git's."""
        found = {}
        for root, folders, names in os.walk(self.folder):
            if ".git" in folders:
                folders.remove(".git")
            found.update(
                {os.path.join(root, n): os.path.getsize(os.path.join(root, n)) for n in names}
            )
        return found

    def attempt(self, attempt: Attempt) -> Result:
        """Run a command with whatever text; it must end in good order."""
        self.tried += 1
        run = self._worker.run(
            *attempt.command, kill_after=PATIENCE, env=attempt.env, stdin=attempt.stdin
        )
        assert not run.killed, f"{attempt} hangs"
        result = run.result
        assert result.code in {0, 1, 2, 3} or attempt.command[0] == "git", (attempt, result)
        said = result.out + result.err
        assert "Traceback" not in said, (attempt, result)
        assert "bug in agentlock" not in said, (attempt, result)
        if attempt.command[0] != "git":
            control = [letter for letter in said if not (letter.isprintable() or letter in "\n\t")]
            assert not control, (attempt, result)
        assert result.code in {0, 128} or result.err, (attempt, result)
        return result

    def check(self) -> None:
        """Nothing outside the table was written, and no text made a line of its own in the log."""
        assert self.files() == self._files
        events = self.repo.agentlock("log", "--json").json
        shown = self.repo.agentlock("log", "--limit", str(len(events) + 1))
        lines = shown.out.splitlines()
        assert len(lines) == len(events)
        assert self.repo.sql("PRAGMA integrity_check") == [("ok",)]


def fuzz(kind: str, target: Target, examples: int) -> None:
    """Try so many texts of one kind; AssertionError for the simplest that fails."""

    @settings(
        max_examples=examples,
        database=None,
        deadline=None,  # the trial has no conftest
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(st.sampled_from(KINDS[kind]), TEXTS)
    def try_one(place: Callable[[str], Attempt], text: str) -> None:
        target.attempt(place(text))

    try_one()
