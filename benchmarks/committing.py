"""What does the guard add to `git commit`? Beside its peers, at every size, and phase by phase.

python benchmarks/committing.py           (about six minutes: up to a million reservations)
python benchmarks/committing.py --quick   (about one)
"""

from __future__ import annotations

import itertools
import json
import shlex
import shutil
import statistics
import sys
import tempfile
import time
from calendar import timegm
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from support.scripts import arguments

from benchmarks.pages import RESULTS, Page, Section
from benchmarks.scratch import Scratch, reserve_by_others
from benchmarks.timing import added, commits, interleaved, ratio, refusals, spread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.scratch import Repository
    from benchmarks.timing import Sample

HERE = Path(__file__).resolve().parent
SIZES = (10, 1_000, 100_000, 1_000_000)
THOUSAND = 1_000
FILES = 500
NO_HOOK = "no hook"
IDLE = "`python -I -S -c pass`"
FLOOR = "three hooks again: Python with SQLite and one git question, and sh twice"
GOAL = 1.8  # of what an idle interpreter adds
FRAMEWORK = """
repos:
- repo: local
  hooks:
  - {id: nothing, name: nothing, entry: "true", language: system, always_run: true}
"""
LEFTHOOK = 'pre-commit:\n  commands:\n    nothing:\n      run: "true"\n'
BY_SQLITE = """
db=$(git rev-parse --git-common-dir)/agentlock/agentlock.sqlite3
paths=$(git diff-index --cached --name-only --no-renames HEAD -- | sed "s/'/''/g; s/.*/('&')/")
[ -z "$(sqlite3 -readonly "$db" "WITH p(path) AS (VALUES $(echo "$paths" | paste -sd,))
SELECT 1 FROM p JOIN file_reservations AS r ON r.prefix_key = p.path
WHERE released_ts IS NULL LIMIT 1")" ]
"""


def committing(folder: Path, rounds: int, sizes: Sequence[int]) -> Section:
    """`git commit` of one staged file under our hooks and under others'."""
    scratch = Scratch(folder)
    variants: dict[str, Callable[[], Sample]] = {}
    python = shlex.quote(sys.executable)
    scripts = {
        NO_HOOK: None,
        "sh, does nothing": ":",
        IDLE: f"exec {python} -I -S -c pass",
        "three hooks as ours: that, and sh twice": f"exec {python} -I -S -c pass",
    }
    for at, (name, script) in enumerate(scripts.items()):
        repo = scratch.repository(f"plain{at}", FILES)
        if script is not None:
            repo.hook("pre-commit", script)
        if "three" in name:
            repo.hook("prepare-commit-msg", ":")
            repo.hook("post-commit", ":")
        variants[name] = commits(repo)
    variants[FLOOR] = commits(_floor(scratch))
    for live in sizes:
        variants[f"agentlock, {live:,} live reservations of others"] = commits(
            guarded(scratch, f"guarded{live}", live)
        )
    linked = guarded(scratch, "linked", THOUSAND).linked()
    variants[f"agentlock, {THOUSAND:,} of them, in a linked worktree"] = commits(linked)
    variants[f"agentlock, {THOUSAND:,} of them, refused"] = refusals(
        guarded(scratch, "refused", THOUSAND)
    )
    for at, (peer, install) in enumerate(PEERS.items()):
        repo = scratch.repository(f"peer {at}", FILES)
        if install(repo):
            variants[peer] = commits(repo)
        else:
            print(f"left out, not on this machine: {peer}", file=sys.stderr)
    text = (
        f"One staged file in a repository of {FILES} files; the whole command, {rounds} rounds in "
        "turn. Ours are all the hooks of `init`: pre-commit asks Python, prepare-commit-msg "
        "recognises what pre-commit cleared, post-commit leaves the ledger to the background. "
        "Ratios are medians of the ratios round by round. The last columns are what the hooks add "
        "to a commit, next to what an interpreter that does nothing adds: in time, and in "
        "processor time, which other load disturbs less. Our goal is at most "
        f"{GOAL}; the row before ours is the floor: what no guard in Python can do without."
    )
    return Section("A guarded commit", text, compared(interleaved(variants, rounds)))


def compared(samples: Mapping[str, Sequence[Sample]]) -> list[Sequence[str]]:
    walls = {name: [sample.wall for sample in own] for name, own in samples.items()}
    busy = {name: [sample.cpu for sample in own] for name, own in samples.items()}
    idle, idly_busy = (added(one[IDLE], one[NO_HOOK]) for one in (walls, busy))
    columns = ("median, ms", "10 to 90 %, ms", "processor, ms", "to no hook", "added")
    table: list[Sequence[str]] = [("hooks", *columns, "added, processor")]
    for name, own in walls.items():
        table.append(
            (
                name,
                f"{statistics.median(own):.1f}",
                spread(own),
                f"{statistics.median(busy[name]):.1f}",
                f"{ratio(own, walls[NO_HOOK]):.2f}",
                f"{added(own, walls[NO_HOOK]) / idle:.2f}",
                f"{added(busy[name], busy[NO_HOOK]) / idly_busy:.2f}",
            )
        )
    return table


# The repositories


def guarded(scratch: Scratch, name: str, live: int) -> Repository:
    """A repository with all our hooks, and so many live reservations of others."""
    repo = scratch.repository(name, FILES)
    repo.must("init", program="agentlock")
    reserve_by_others(repo, live)
    return repo


def _floor(scratch: Scratch) -> Repository:
    repo = scratch.repository("floor", FILES)
    repo.must("init", "--no-hooks", program="agentlock")
    reserve_by_others(repo, THOUSAND)
    python, script = shlex.quote(sys.executable), shlex.quote(str(HERE / "floor.py"))
    repo.hook("pre-commit", f"{python} -I -S {script} || exit")
    repo.hook("prepare-commit-msg", ":")
    repo.hook("post-commit", ":")
    return repo


def _by_sqlite(repo: Repository) -> bool:
    if not shutil.which("sqlite3"):
        return False
    repo.must("init", "--no-hooks", program="agentlock")
    reserve_by_others(repo, THOUSAND)
    repo.hook("pre-commit", BY_SQLITE)
    return True


def _usual(repo: Repository) -> bool:
    repo.must("init", "--no-hooks", program="agentlock")
    reserve_by_others(repo, THOUSAND)
    python, script = shlex.quote(sys.executable), shlex.quote(str(HERE / "usual_guard.py"))
    repo.hook("pre-commit", f"exec {python} {script}")
    return True


def _lefthook(repo: Repository) -> bool:
    program = shutil.which("lefthook") or str(Path(sys.executable).parent / "lefthook")
    if not Path(program).exists():
        return False
    repo.write("lefthook.yml", LEFTHOOK)
    repo.run(program, "install")
    return True


def _framework(repo: Repository) -> bool:
    repo.write(".pre-commit-config.yaml", FRAMEWORK)
    repo.run(sys.executable, "-m", "pre_commit", "install")
    return True


PEERS: dict[str, Callable[[Repository], bool]] = {
    f"sh, git and the sqlite3 command; literal paths only, {THOUSAND:,}": _by_sqlite,
    f"the usual way: click, subprocess, pathspec, {THOUSAND:,}": _usual,
    "lefthook, one command that does nothing": _lefthook,
    "the pre-commit framework, one hook that does nothing": _framework,
}


# Phase by phase


PHASES = (
    "git, before the first hook",
    "git starts sh, sh starts Python, Python starts",
    "the guard is loaded",
    "git is asked what is staged, the settings are read",
    "who am I",
    "SQLite is loaded, the table is opened",
    "waiting for what is staged",
    "the verdict",
    "the table is closed, Python and sh end",
    "git, to prepare-commit-msg",
    "prepare-commit-msg recognises what was cleared",
    "git makes the commit",
    "post-commit leaves the ledger to the background",
    "git, to its end",
)
# The floor has no such part, or has it in another one: its query is a part of opening the table.
OURS_ALONE = ("the guard is loaded", "who am I", "the verdict")


def phases(folder: Path, rounds: int) -> Section:
    """One guarded commit taken apart, next to the floor; the parts add up to the whole."""
    scratch = Scratch(folder)
    trace = folder / "trace"
    repos = (guarded(scratch, "phases", THOUSAND), _floor(scratch))
    scratch.environment["GIT_TRACE2_EVENT"] = str(trace)
    marks = [folder / "marks", folder / "marks of the floor"]
    _mark_ours(repos[0], marks[0])
    hook = repos[1].path / ".git" / "hooks" / "pre-commit"
    text = hook.read_text(encoding="utf-8")
    hook.write_text(text.replace(" || exit", f" {shlex.quote(str(marks[1]))} || exit"), "utf-8")
    taken: tuple[list[list[float]], list[list[float]]] = ([], [])
    for turn in range(rounds + 3):
        for repo, mark, parts in zip(repos, marks, taken, strict=True):
            moments = _one_commit(repo, trace, mark, turn)
            if turn >= 3:
                parts.append([(b - a) * 1000 for a, b in itertools.pairwise(moments)])
    whole = statistics.median(sum(parts) for parts in taken[0])
    table: list[Sequence[str]] = [("phase", "mean, ms", "share", "floor, ms")]
    means, least = ([statistics.fmean(each) for each in zip(*own, strict=True)] for own in taken)
    total = sum(means)
    floors = dict(zip((name for name in PHASES if name not in OURS_ALONE), least, strict=True))
    for name, mean in zip(PHASES, means, strict=True):
        floor = f"{floors[name]:.2f}" if name in floors else "-"
        table.append((name, f"{mean:.2f}", f"{mean / total:.0%}", floor))
    table.append(("the whole", f"{total:.2f}", "100%", f"{sum(least):.2f}"))
    text = (
        f"{rounds} commits, {THOUSAND:,} live reservations of others; moments are taken by git's "
        "own trace (GIT_TRACE2_EVENT) and inside the guard, which costs a little by itself. Means, "
        f"because they add up; the median of the whole is {whole:.1f} ms. The last column is the "
        "floor of the table above, in the same rounds: the parts that no guard in Python can be "
        "without."
    )
    return Section("One guarded commit, phase by phase", text, table)


def _mark_ours(repo: Repository, marks: Path) -> None:
    """Have the guard write when each of its parts had ended."""
    hook = repo.path / ".git" / "hooks" / "pre-commit"
    text = hook.read_text(encoding="utf-8")
    plain = "from agentlock.__main__ import main\n    code = int(main())"
    assert plain in text, "the shim starts Python in another way"
    told = "\n    ".join(
        (
            f"sys.path.append({json.dumps(str(HERE))})",
            "from marking import guard",
            f"code = guard({json.dumps(str(marks))})",
        )
    )
    hook.write_text(text.replace(plain, told), encoding="utf-8")


def _one_commit(repo: Repository, trace: Path, marks: Path, turn: int) -> list[float]:
    """The moments that part one commit, from the first to the last."""
    repo.write("src/0/0.txt", f"change {turn}\n")
    repo.must("add", "src/0/0.txt")
    trace.unlink()
    started = time.time()
    repo.must("commit", "-q", "-m", "change")
    ended = time.time()
    return [started, *_moments(trace, marks), ended]


def _moments(trace: Path, marks: Path) -> list[float]:
    """When each hook began and ended, in seconds since the epoch, with the marks of the first."""
    events = [json.loads(line) for line in trace.read_text(encoding="utf-8").splitlines()]
    (sid,) = [event["sid"] for event in events if event.get("argv", ())[1:2] == ["commit"]]
    own = [event for event in events if event["sid"] == sid]
    hooks = {event["child_id"] for event in own if "hook_name" in event}
    times = [_seconds(event["time"]) for event in own if event.get("child_id") in hooks]
    assert len(times) == 6, times
    inside = [float(line) for line in marks.read_text(encoding="utf-8").split()]
    return [times[0], *inside, *times[1:]]


def _seconds(text: str) -> float:
    """``2026-01-31T12:00:00.123456Z`` as seconds since the epoch."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float(f"0.{fraction}")


def main() -> None:
    """Measure, and replace the sections of RESULTS.md."""
    parser = arguments(__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller tables")
    parser.add_argument("--rounds", type=int, metavar="N")
    parser.add_argument("--output", type=Path, default=RESULTS, metavar="FILE")
    options = parser.parse_args()
    rounds = options.rounds or (15 if options.quick else 100)
    page = Page(options.output)
    sizes = SIZES[:2] if options.quick else SIZES
    for measure in (partial(committing, sizes=sizes), phases):
        with tempfile.TemporaryDirectory(
            prefix="agentlock-bench-", ignore_cleanup_errors=True
        ) as folder:
            page.replace(measure(Path(folder), rounds))


if __name__ == "__main__":
    main()
