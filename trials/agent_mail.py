"""MCP Agent Mail's own guards and agentlock on the same cases: docs/evidence/agent-mail.md.

    python trials/agent_mail.py [--rust lib.rs]     (about three minutes; installs Agent Mail once)

The cases are those of the tests of its two guards, as far as they ask whether a commit passes, and
what its agents mean but neither of its guards finds. Its Python guard is the script that the
installed program writes. Its Rust guard is a Python script as well, which stands in
crates/mcp-agent-mail-guard/src/lib.rs of that project: with --rust it is taken from there.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from agents.agent_mail import interpreter
from support.agent_mail import Archive, over
from support.scripts import arguments

from benchmarks.pages import EVIDENCE, machine
from benchmarks.scratch import Scratch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.scratch import Repository

PAGE = EVIDENCE / "agent-mail.md"
HOLDER, OTHER = "BlueLake", "GreenHill"
ON = {"WORKTREES_ENABLED": "1"}  # without it, the Python version's guard does nothing
_ANYWHERE = "/somewhere/archive"
_RENDER = """
import sys
from pathlib import Path
from types import SimpleNamespace
from mcp_agent_mail.guard import render_precommit_script
print(render_precommit_script(SimpleNamespace(root=Path(sys.argv[1]))))
"""


class Case(NamedTuple):
    """HOLDER has reserved a pattern, and ``agent`` commits a change of a path."""

    what: str
    pattern: str
    path: str
    record: Mapping[str, Any] = {}
    agent: str = OTHER
    settings: Mapping[str, str] = {}
    renamed: str = ""  # the path is what this one is renamed to
    words: tuple[str, ...] = ()  # of git commit


CASES = (
    Case("the file itself", "src/app.py", "src/app.py"),
    Case("another file", "src/app.py", "src/other.py"),
    Case("a glob", "src/*.py", "src/main.py"),
    Case("a long glob", "agents/*/inbox/*/*/*.md", "agents/Blue/inbox/2025/10/note.md"),
    Case("backslashes", "src\\**\\z.txt", "src/deep/z.txt"),
    Case("a folder without a slash", "src/auth", "src/auth/login.py"),
    Case("`src/*` and a file deeper down", "src/*", "src/deep/file.py"),
    Case("`src/**`", "src/**", "src/deep/file.py"),
    Case("a name without a slash, in the root", "README.md", "README.md"),
    Case("a name without a slash, in a folder", "README.md", "docs/README.md"),
    Case("everything: `**`", "**", "any/file.py"),
    Case("everything: `.`", ".", "any/file.py"),
    Case("a file where a folder is reserved", "lib/**", "lib"),
    Case("a rename of what is held", "src/old.txt", "src/new.txt", renamed="src/old.txt"),
    Case("a rename to what is held", "src/new.txt", "src/new.txt", renamed="src/old.txt"),
    Case("one's own", "src/app.py", "src/app.py", agent=HOLDER),
    Case("one's own, in another case", "src/app.py", "src/app.py", agent=HOLDER.lower()),
    Case("shared", "src/app.py", "src/app.py", {"exclusive": False}),
    Case("released", "src/app.py", "src/app.py", over()),
    Case("a released_ts of 0", "src/app.py", "src/app.py", {"released_ts": "0"}),
    Case("run out", "src/app.py", "src/app.py", {"expires_ts": "2020-01-01T00:00:00Z"}),
    Case("no `exclusive` in the record", "src/app.py", "src/app.py", {"exclusive": None}),
    Case("no agent in the record", "src/app.py", "src/app.py", {"agent": ""}),
    Case("a tool", "tool://browser", "browser"),
    Case("a bracket that is not closed", "[abc", "abc"),
    Case(".beads, which the Rust guard leaves out", "**", ".beads/issues.jsonl"),
    Case(
        "its guard is off (WORKTREES_ENABLED=0)",
        "src/app.py",
        "src/app.py",
        settings={"WORKTREES_ENABLED": "0"},
    ),
    Case(
        "AGENT_MAIL_GUARD_MODE=warn",
        "src/app.py",
        "src/app.py",
        settings={**ON, "AGENT_MAIL_GUARD_MODE": "warn"},
    ),
    Case(
        "AGENT_MAIL_BYPASS=1", "src/app.py", "src/app.py", settings={**ON, "AGENT_MAIL_BYPASS": "1"}
    ),
    Case("no agent's name, a held file", "src/app.py", "src/app.py", agent=""),
    Case("no agent's name, a free file", "src/app.py", "src/other.py", agent=""),
    Case("git commit --no-verify", "src/app.py", "src/app.py", words=("--no-verify",)),
    Case("a folder called `[slug]`", "app/[slug]/page.tsx", "app/[slug]/page.tsx"),
    Case("a glob in a folder called `[slug]`", "app/[slug]/*.tsx", "app/[slug]/page.tsx"),
    Case("braces", "src/{a,b}/*.py", "src/b/x.py"),
    Case("`src/**.py`", "src/**.py", "src/deep/x.py"),
    Case("an absolute path in the worktree", "{root}/src/app.py", "src/app.py"),
)


class Guards:
    """The guards of one version, and ours next to an archive of that version."""

    def __init__(self, folder: Path, rust: str) -> None:
        self._scratch = Scratch(folder)
        self._rust = rust
        self._script = rust or python_guard()
        self._made = 0

    def answers(self, case: Case) -> tuple[str, str]:
        """Whether its guard refuses the commit, and whether ours does."""
        theirs, ours = self._prepared(case), self._prepared(case)
        for repo, archive in (theirs, ours):
            raw = case.pattern.replace("{root}", str(repo.path))
            record = {**case.record}
            if record.get("exclusive", True) is None:
                del record["exclusive"]
            path = archive.reserve(1, record.pop("agent", HOLDER), raw, **record)
            if case.record.get("exclusive", True) is None:
                for one in archive.reservations.iterdir():
                    value = json.loads(path.read_text(encoding="utf-8"))
                    value.pop("exclusive", None)
                    one.write_text(json.dumps(value), encoding="utf-8")
        self._install(*theirs)
        ours[0].must("init", "--agent-mail", str(ours[1].root), program="agentlock")
        return self._commit(theirs[0], case), self._commit(ours[0], case)

    def _prepared(self, case: Case) -> tuple[Repository, Archive]:
        self._made += 1
        repo = self._scratch.repository(f"repo{self._made}")
        if case.path == "lib":
            repo.write("src/lib.txt", "x\n")
        if case.renamed:
            repo.write(case.renamed, "the same text\n" * 20)
            repo.must("add", "--all")
            repo.must("commit", "-q", "-m", "before")
        root = self._scratch.folder / f"mail{self._made}"
        return repo, Archive(root, repo.path, generation="ab12" if self._rust else "")

    def _install(self, repo: Repository, archive: Archive) -> None:
        script = self._script.replace("__PROJECT_JSON__", json.dumps(str(repo.path)))
        script = script.replace("__HOOK_NAME_JSON__", '"pre-commit"')
        script = script.replace(_ANYWHERE, str(archive.project))
        guard = archive.root / "guard.py"
        guard.write_text(script, encoding="utf-8")
        repo.hook("pre-commit", f"STORAGE_ROOT={archive.root} exec {interpreter()} {guard}")

    def _commit(self, repo: Repository, case: Case) -> str:
        if case.renamed:
            repo.must("mv", case.renamed, case.path)
        else:
            repo.write(case.path, "changed\n")
        repo.must("add", "--all")
        settings = {**self._scratch.environment, **(case.settings or ON)}
        for variable in ("AGENT_NAME", "AGENTLOCK_AGENT"):
            settings.pop(variable, None)
            settings |= {variable: case.agent} if case.agent else {}
        done = subprocess.run(
            ["git", "commit", "-q", "-m", "change", *case.words],
            cwd=repo.path,
            env=settings,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (0, 1), done
        assert "Traceback" not in done.stderr, done
        return "refuses" if done.returncode else "passes"


def python_guard() -> str:
    """The script that the Python version installs for an archive in _ANYWHERE."""
    done = subprocess.run(
        [interpreter(), "-c", _RENDER, _ANYWHERE], capture_output=True, text=True, check=True
    )
    return done.stdout[done.stdout.index("#!") :]


def rust_guard(source: Path) -> str:
    """The script that the Rust version installs, with its two gaps."""
    text = source.read_text(encoding="utf-8")
    return text.partition('let template = r##"')[2].partition('"##;')[0]


def main() -> None:
    """Ask all guards about every case, and write the page."""
    parser = arguments(__doc__)
    parser.add_argument("--rust", type=Path, metavar="FILE", help="its Rust guard's lib.rs")
    parser.add_argument("--output", type=Path, default=PAGE, metavar="FILE")
    options = parser.parse_args()
    rust = rust_guard(options.rust) if options.rust else ""
    head = ("case", "reserved", "committed", "Python guard", "agentlock", "Rust guard", "agentlock")
    rows = [head, ("---",) * len(head)]
    with tempfile.TemporaryDirectory(prefix="agentlock-trial-", ignore_cleanup_errors=True) as name:
        kinds = {"python": "", **({"rust": rust} if rust else {})}
        guards = {}
        for kind, script in kinds.items():
            (Path(name) / kind).mkdir()
            guards[kind] = Guards(Path(name) / kind, script)
        for case in CASES:
            answers = [guards[kind].answers(case) if kind in guards else ("not asked",) * 2
                       for kind in ("python", "rust")]  # fmt: skip
            shown = (f"`{case.pattern.replace('{root}', '/…')}`", f"`{case.path}`")
            rows.append((case.what, *shown, *answers[0], *answers[1]))
            print(*rows[-1], sep=" | ", flush=True)
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    before = options.output.read_text(encoding="utf-8").partition("\n| case |")[0]
    command = f"python trials/agent_mail.py{' --rust lib.rs' if rust else ''}"
    made = f"Made by `{command}`.\n\n{machine()}"
    options.output.write_text(f"{before}\n{table}\n\n{made}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
