"""Ten agents, started by `team run` in one repository, are killed at random: does all stay true?

python trials/team_kills.py --minutes 5

Each works in a worktree of its own on one of three areas that it reserves, and commits there. A
program or its `run` is killed with SIGKILL at a random moment. Prints the figures, and writes them
to docs/evidence/teams.md where --write is given.
"""

from __future__ import annotations

import os
import random
import re
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from support import AGENTLOCK, Repo, make_guarded
from support.scripts import arguments, sealed_folder

from benchmarks.pages import EVIDENCE, origin

if TYPE_CHECKING:
    from pathlib import Path

PAGE = EVIDENCE / "teams.md"
AGENTS = tuple(f"Agent{letter}" for letter in "ABCDEFGHIJ")
AREAS = 3
LEASE = 60  # seconds: the shortest, so that what a killed `run` held is free soon
OF_RUN = 0.1  # so many of the kills are of `run`, the others of the program
ROWS = (
    ("teams", "times that the team was run"),
    ("members", "programs that were started"),
    ("done", "of them ended by themselves, after their commit"),
    ("killed programs", "of them killed"),
    ("killed runs", "`run` processes killed, whose program went on"),
    ("not granted", "members that waited in vain, behind a killed `run`"),
    ("commits", "commits that landed"),
    ("together", "times that two lived in one area at once"),
    ("refused", "commits of a holder that were refused"),
    ("left over", "leases that nobody held any more, and that did not end by themselves"),
    ("bugs", "tracebacks, and commands that called themselves broken"),
)
WRONG = ("together", "refused", "left over", "bugs")
ABOUT = """\
# Teams whose agents are killed

Ten agents are started by `agentlock team run --worktree --wait` in one repository, each in a
worktree of its own. Each reserves one of three areas, works there for a moment, and commits. A
program, or its `run`, is killed with SIGKILL at a random moment, over and over.

| | |
|---|---:|
"""
# What an agent does while it holds its area: whoever finds a living one there, tells it.
WORK = """
import contextlib, os, subprocess, sys, time
place, area, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
agent = os.environ["AGENTLOCK_AGENT"]
mark = os.path.join(place, "mark-" + area)
def alive(pid):
    try:
        state = open(f"/proc/{pid}/stat").read().rpartition(") ")[2][0]
    except OSError:
        return False
    return state not in "ZX"
try:
    before = open(mark).read()
    if before and alive(int(before)):
        open(os.path.join(place, "together"), "a").write(f"{agent} {before}\\n")
except OSError:
    pass
open(mark, "w").write(str(os.getpid()))
open(os.path.join(place, "program-" + agent), "w").write(f"{os.getpid()} {os.getppid()}")
time.sleep(seconds)
os.makedirs(area, exist_ok=True)
open(os.path.join(area, agent), "a").write("line\\n")
subprocess.run(["git", "add", area], check=True)
done = subprocess.run(["git", "commit", "-qm", agent, "--", area], capture_output=True, text=True)
print(("committed" if done.returncode == 0 else "REFUSED " + done.stderr), flush=True)
os.unlink(mark)
with contextlib.suppress(FileNotFoundError):  # whoever killed the `run` has removed it
    os.unlink(os.path.join(place, "program-" + agent))
"""


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--minutes", type=float, default=5, metavar="N")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**9), metavar="N")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    options = parser.parse_args()
    figures: Counter[str] = Counter()
    end = time.monotonic() + 60 * options.minutes
    choose = random.Random(options.seed)  # noqa: S311 -- a trial
    with sealed_folder("teams") as folder:
        repo = make_guarded(folder / "repo", "README.md")
        place = folder / "place"
        place.mkdir()
        (folder / "work.py").write_text(WORK, encoding="utf-8")
        while time.monotonic() < end:
            figures += turn(repo, folder, choose)
        if (place / "together").exists():
            figures["together"] = len((place / "together").read_text(encoding="utf-8").splitlines())
        figures["left over"] = len(left_over(repo))
    rows = "".join(f"| {meaning} | {figures[name]:,} |\n" for name, meaning in ROWS)
    print(rows, end="")
    if options.write:
        PAGE.write_text(f"{ABOUT}{rows}\n{origin()}\n- seed: {options.seed}\n", encoding="utf-8")
    return 1 if any(figures[name] for name in WRONG) else 0


def turn(repo: Repo, folder: Path, choose: random.Random) -> Counter[str]:
    """Run the team once, and kill some of it meanwhile."""
    figures = Counter({"teams": 1})
    members = []
    for number, agent in enumerate(AGENTS):
        area = f"area{(number + choose.randrange(AREAS)) % AREAS}"
        work = (sys.executable, str(folder / "work.py"), str(folder / "place"), area)
        seconds = f"{choose.uniform(0.1, 1.5):.2f}"
        given = ("--reserve", f"{area}/**", "--ttl", f"{LEASE}s")
        made = repo.agentlock("template", "set", agent, *given, "--", *work, seconds)
        assert made.code == 0, made
        members.append(f"{agent}={agent}")
    assert repo.agentlock("team", "set", "ten", *members).code == 0
    team = subprocess.Popen(
        (*AGENTLOCK, "team", "run", "ten", "--worktree", "--wait", "3m"),
        cwd=repo.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while team.poll() is None:
        time.sleep(choose.uniform(0.2, 2.0))
        figures += kill_one(folder / "place", choose)
    assert team.stdout is not None
    said = team.stdout.read()
    figures["members"] = said.count(" as long as ")
    figures["commits"] = figures["done"] = said.count("| committed")
    figures["refused"] = said.count("| REFUSED")
    figures["not granted"] = len(re.findall(r"ended with 75", said))
    figures["bugs"] = said.count("Traceback (most recent") + said.count("a bug in agentlock")
    if figures["bugs"] or figures["refused"]:
        print(said)
    return figures


def kill_one(place: Path, choose: random.Random) -> Counter[str]:
    """Kill a program that works now, or its `run`."""
    found = sorted(place.glob("program-*"))
    if not found:
        return Counter()
    path = choose.choice(found)
    with suppress(OSError, ValueError):
        program, run = map(int, path.read_text(encoding="utf-8").split())
        path.unlink()
        if choose.random() < OF_RUN:
            os.kill(run, signal.SIGKILL)
            return Counter({"killed runs": 1})
        os.kill(program, signal.SIGKILL)
        return Counter({"killed programs": 1})
    return Counter()


def left_over(repo: Repo) -> list[tuple[str, str, bool]]:
    """What is held although every program has ended, once the longest lease is over."""
    end = time.monotonic() + LEASE + 5
    while repo.live() and time.monotonic() < end:
        time.sleep(1)
    return repo.live()


if __name__ == "__main__":
    sys.exit(main())
