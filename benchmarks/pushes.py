"""Large pushes and commits: what the guard adds to git's own listing of the same paths.

    python benchmarks/pushes.py             (a few minutes)
    python benchmarks/pushes.py --rounds 3  (noisier)

Writes benchmarks/RESULTS.md. The hooks are run as git runs them; rounds are interleaved as in
run.py.
"""

from __future__ import annotations

import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from support.scripts import arguments

from benchmarks.pages import RESULTS, ROOT, Page, Section
from benchmarks.scratch import Scratch, reserve_by_others
from benchmarks.timing import added, interleaved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.scratch import Repository

FILES = 5_000
MERGED = 10  # one commit in so many is a merge, where there are merges
LIVE = 1_000
INTERPRETER = "python"
GIT_ALONE = "git alone"
FLOOR = "floor"
LOADED = "loading"
PUSHES = ((1, False), (100, False), (10_000, False), (10_000, True))
STAGED = (1, 1_000, 50_000)
FREE, HELD = ("main", 0), ("more", 1)  # the text of the commits, and the hook's exit code
# Seconds, in 2030: of commits that are older than their parents git would list too many.
_AFTER_ALL = 1_900_000_000
_FLAGS = "--no-renames --ignore-submodules=none"
_PATHS = f"git diff-tree --stdin -r -c --root -z --no-commit-id --name-only {_FLAGS}"
_STAGED = f"git diff-index --cached -z {{}} {_FLAGS} --ita-invisible-in-index HEAD --"
# What the guard cannot do without: an interpreter, SQLite, and the raw listing, digested for its
# note. sh starts git and Python at the same moment; functools is left out as in store/sqlite.
_READ = """
import os, sys, _blake2
functools = sys.modules["functools"] = type(sys)("functools")
functools.lru_cache = lambda size: lambda function: function
import _sqlite3
digest = _blake2.blake2b(digest_size=20)
while chunk := os.read(0, 1 << 20):
    digest.update(chunk)
os._exit(0)
"""
# What the hook loads, from its bundles, before it has judged anything.
_LOAD = """
import gc, os, sys
gc.set_threshold(200_000)
sys.path.insert(0, {root!r})
import agentlock.doors
from agentlock.bundle import Bundle
for door in {doors!r}:
    Bundle(door)
import agentlock.store.sqlite
os._exit(0)
"""
_RAW = f"git diff-tree --stdin -r --always --parents --root -z --raw {_FLAGS}"
# A small process starts the command, for the largest one counts from the size of who started it.
_MEASURE = """
import os, resource, sys, time
actions = [(os.POSIX_SPAWN_OPEN, 0, sys.argv[1], os.O_RDONLY, 0)]
actions += [(os.POSIX_SPAWN_OPEN, at, os.devnull, os.O_WRONLY, 0) for at in (1, 2)]
started = time.perf_counter()
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ, file_actions=actions)
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
took = time.perf_counter() - started
print(took * 1000, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, code)
"""


class Sample(NamedTuple):
    """Milliseconds that a command took, and the memory of its largest process in MiB."""

    wall: float
    memory: float


def measured(
    repo: Repository, command: Sequence[str], *, stdin: str = "", expected: int = 0
) -> Sample:
    given = repo.scratch.folder / "stdin"
    given.write_text(stdin, encoding="utf-8")
    done = subprocess.run(
        (sys.executable, "-I", "-S", "-c", _MEASURE, str(given), *command),
        cwd=repo.path,
        env=repo.scratch.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    wall, memory, code = done.stdout.split()
    assert int(code) == expected, f"{command}: exit code {code}"
    return Sample(float(wall), float(memory) / 1024)


def history(repo: Repository, commits: int, *, merges: bool, text: str = "main") -> None:
    """So many commits on top of main, each of which writes ``text`` into two of the files."""
    stream = "".join(_commands(commits, text, merges=merges))
    subprocess.run(
        ("git", "fast-import", "--quiet", "--force"),
        cwd=repo.path,
        env=repo.scratch.environment,
        input=stream.encode(),
        check=True,
    )
    repo.must("reset", "-q", "--hard", "main")


def _commands(commits: int, text: str, *, merges: bool) -> Iterator[str]:
    """fast-import's; of MERGED commits, where there are merges, one is on a side and one a merge.

    The marks are those of the tips: the oldest commit is main as it was.
    """
    tip = "refs/heads/main^0"
    for at in range(1, commits + 1):
        place = at % MERGED if merges else 1
        if place == 0:
            yield _commit(at, tip, _files(at - 1, f"side {text}"), second=f":{at - 1}")
        else:
            side = merges and place == MERGED - 1 and at < commits
            yield _commit(at, tip, _files(at, f"side {text}" if side else text))
            if side:
                continue
        tip = f":{at}"


def _commit(mark: int, parent: str, files: str, second: str = "") -> str:
    who = f"committer Bench <bench@example.invalid> {_AFTER_ALL + mark} +0000"
    merge = f"merge {second}\n" if second else ""
    head = f"commit refs/heads/main\nmark :{mark}\n{who}\ndata 1\n.\nfrom {parent}\n{merge}"
    return head + files + "\n"


def _files(at: int, text: str) -> str:
    names = {f"src/{number // 100}/{number}.txt" for number in (at % FILES, at * 7 % FILES)}
    content = f"{text} {at}\n"
    return "".join(f"M 644 inline {name}\ndata {len(content)}\n{content}" for name in sorted(names))


def pushes(scratch: Scratch, rounds: int, commits: int, *, merges: bool) -> list[Sequence[str]]:
    """The pre-push hook on commits that the remote lacks: free, and refused."""
    repo = scratch.repository("work", FILES)
    repo.must("remote", "add", "origin", str(scratch.folder / "remote.git"))
    repo.must("init", program="agentlock")
    hook = (str(repo.path / ".git/hooks/pre-push"), "origin", str(scratch.folder / "remote.git"))
    what = f"{commits:,} commits{f', {commits // MERGED:,} of them merges' if merges else ''}"
    reserve_by_others(repo, LIVE)
    rows: list[Sequence[str]] = []
    # What a push judged is known afterwards, so others are refused than those that were free.
    for text, expected, name in ((*FREE, f"{LIVE:,} live, none meets"), (*HELD, "refused")):
        old = repo.must("rev-parse", "HEAD").strip()
        repo.must("update-ref", "refs/remotes/origin/main", old)
        history(repo, commits, merges=merges, text=text)
        new = repo.must("rev-parse", "HEAD").strip()
        if expected:
            held = repo.must("diff", "--name-only", f"{new}^", new).split()[0]
            repo.must("reserve", held, program="agentlock", agent="Holder")
        line = f"refs/heads/main {new} refs/heads/main {old}\n"
        push = partial(measured, repo, hook, stdin=line, expected=expected)
        hooks: dict[str, Callable[[], Sample]] = {name: push}
        if not expected:
            hooks[f"{name}, the first time"] = first_time(repo, push)
        oids = f"git rev-list {old}..{new}"
        listings = (f"{oids} | {_PATHS}", f"{oids} | {_RAW}")
        rows += compared(
            what, repo, listings, ("pre-push", "pre-push-sqlite", "pushed"), hooks, rounds
        )
    return rows


def first_time(repo: Repository, push: Callable[[], Sample]) -> Callable[[], Sample]:
    """The same push where nothing is known of its commits yet."""
    table, kept = repo.path / ".git" / "agentlock", repo.scratch.folder / "kept"
    shutil.copytree(table, kept)

    def forget_and_push() -> Sample:
        known, named = repo.scratch.folder / "known", repo.path / ".git" / "agentlock-made"
        table.rename(known)
        shutil.copytree(kept, table)
        named.unlink(missing_ok=True)
        sample = push()
        named.unlink(missing_ok=True)
        shutil.rmtree(table)
        known.rename(table)
        return sample

    return forget_and_push


def stagings(scratch: Scratch, rounds: int, count: int) -> list[Sequence[str]]:
    """The pre-commit hook on so many staged files: free, and all of them refused."""
    repo = scratch.repository("work", FILES)
    repo.must("init", program="agentlock")
    for at in range(count):
        repo.write(f"new/{at // 100}/{at}.txt", f"{at}\n")
    repo.must("add", "--all")
    hook = (str(repo.path / ".git/hooks/pre-commit"),)
    listings = (_STAGED.format("--name-only"), _STAGED.format("--raw"))
    reserve_by_others(repo, LIVE)
    what = f"{count:,} staged"

    def free() -> Sample:
        return measured(repo, hook)

    doors = ("pre-commit", "pre-commit-sqlite")
    rows = compared(what, repo, listings, doors, {f"{LIVE:,} live, none meets": free}, rounds)
    repo.must("reserve", "new/", program="agentlock", agent="Holder")

    def refused() -> Sample:
        return measured(repo, hook, expected=1)

    return [*rows, *compared(what, repo, listings, doors, {"all refused": refused}, rounds)]


def compared(
    what: str,
    repo: Repository,
    listings: tuple[str, str],
    doors: tuple[str, ...],
    hooks: dict[str, Callable[[], Sample]],
    rounds: int,
) -> list[Sequence[str]]:
    """A row for each hook: the ratio is of what the hook takes beyond its interpreter's start.

    ``listings`` are git's: the paths alone, and what the guard reads. The hook loads the bundles
    of ``doors``.
    """
    python = f"{shlex.quote(sys.executable)} -I -S -c"
    paths, raw = listings
    load = shlex.quote(_LOAD.format(root=str(ROOT), doors=doors))
    samples = interleaved(
        {
            INTERPRETER: lambda: measured(repo, ("sh", "-c", f"{python} pass")),
            GIT_ALONE: lambda: measured(repo, ("sh", "-c", paths)),
            FLOOR: lambda: measured(repo, ("sh", "-c", f"{raw} | {python} {shlex.quote(_READ)}")),
            LOADED: lambda: measured(repo, ("sh", "-c", f"{python} {load}")),
            **hooks,
        },
        rounds,
        warm=1,
    )
    walls = {name: [sample.wall for sample in own] for name, own in samples.items()}

    def above(name: str) -> str:
        each = zip(walls[name], walls[INTERPRETER], walls[GIT_ALONE], strict=True)
        return f"{statistics.median((mine - start) / alone for mine, start, alone in each):.2f}"

    rows: list[Sequence[str]] = []
    for name in hooks:
        memory = max(sample.memory for sample in samples[name])
        of_git = max(sample.memory for sample in samples[GIT_ALONE])
        seconds = (
            statistics.median(walls[name]),
            statistics.median(walls[GIT_ALONE]),
            added(walls[name], walls[INTERPRETER]),
        )
        cells = (
            *(f"{time / 1000:.3f}" for time in seconds),
            above(name),
            above(FLOOR),
            above(LOADED),
        )
        rows.append((f"{what}; {name}", *cells, f"{memory:.0f}", f"{of_git:.0f}"))
    return rows


HEAD = (
    "",
    "hook, s",
    "git alone, s",
    "added, s",
    "added to git",
    FLOOR,
    LOADED,
    "memory, MiB",
    "git's, MiB",
)
PUSHED = (
    f"The pre-push hook, as git runs it, on commits of two files each in a repository of {FILES:,}"
    " files, {rounds} rounds. *git alone* is `git rev-list | git diff-tree --name-only` of the same"
    " range. *Added* is what the hook takes beyond the start of an interpreter that does nothing"
    " (`python -I -S -c pass`); *added to git* the ratio of that to git alone, the rounds' median."
    " The *floor* is that ratio for an interpreter that does nothing but load SQLite, and read and"
    " digest what git lists with modes and oids, which the ledger needs; *loading* is that for one"
    " that loads SQLite and the guard, and asks git nothing."
    " Memory is that of the largest process. A merge is compared with git's own automatic merge of"
    " its parents, which git alone does not make here. *The first time*, the ledger knows nothing"
    " of the commits, and git is asked three questions more. A refused push also asks the ledger"
    " who made the commits, and writes a line into the log."
)
COMMITTED = (
    f"The pre-commit hook on new files in a repository of {FILES:,}, {{rounds}} rounds; *git alone*"
    " is `git diff-index --cached --name-only`. Columns as above."
)


def main() -> None:
    """Measure both and write them down."""
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=11, metavar="N")
    parser.add_argument("--only", choices=("pushes", "commits"), help="one of the two tables")
    parser.add_argument("--output", type=Path, default=RESULTS, metavar="FILE")
    options = parser.parse_args()
    rounds: int = options.rounds
    page = Page(options.output)
    if options.only != "commits":
        rows: list[Sequence[str]] = [HEAD]
        for commits, merges in PUSHES:
            with tempfile.TemporaryDirectory(prefix="agentlock-bench-") as folder:
                rows += pushes(Scratch(Path(folder)), rounds, commits, merges=merges)
        page.replace(Section("A push", PUSHED.format(rounds=rounds), rows))
    if options.only != "pushes":
        rows = [HEAD]
        for count in STAGED:
            with tempfile.TemporaryDirectory(prefix="agentlock-bench-") as folder:
                rows += stagings(Scratch(Path(folder)), rounds, count)
        page.replace(Section("A commit", COMMITTED.format(rounds=rounds), rows))


if __name__ == "__main__":
    main()
