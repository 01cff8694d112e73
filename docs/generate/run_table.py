"""Write docs/evidence/run.md: what becomes of a program, its leases and its terminal.

python docs/generate/run_table.py
"""

from __future__ import annotations

import sys
import time

from running.scenes import SCENES, Scene, Seen
from support import OTHER, Repo, make_guarded
from support.scripts import arguments, sealed_folder

from benchmarks.pages import EVIDENCE, origin

PAGE = EVIDENCE / "run.md"
INTRODUCTION = """\
# A program under `agentlock run`

Each row was made to happen, with real processes and real terminals, to
`agentlock run --reserve 'src/**' -- PROGRAM`. "Free after" is when another agent could reserve the
files, counted from the end of `run`. The tests in `tests/running` hold the code to the same scenes.

| what happens | exit code | free after | what else was seen |
|---|---:|---:|---|
"""


def main() -> int:
    arguments(__doc__).parse_args()
    failed = 0
    rows = []
    with sealed_folder("run") as folder:
        for number, scene in enumerate(SCENES):
            row, is_right = _row(scene, make_guarded(folder / f"scene {number}", "README.md"))
            rows.append(row)
            failed += not is_right
    PAGE.write_text(f"{INTRODUCTION}{''.join(rows)}\n{origin()}", encoding="utf-8")
    print(f"{len(rows)} scenes, {failed} of them not as they must be: {PAGE}")
    return 1 if failed else 0


def _row(scene: Scene, repo: Repo) -> tuple[str, bool]:
    seen = scene.play(repo)
    begun = time.monotonic()
    reserved = repo.agentlock("reserve", "src/x.py", "--wait", "3m", agent=OTHER)
    free = f"{time.monotonic() - begun:.0f} s" if seen.held else "at once"
    code = "killed" if seen.code is None else str(seen.code)
    is_right = seen == Seen(*scene.expected) and reserved.code == 0
    wrong = "" if is_right else f" **not as it must be: {scene.expected}**"
    return f"| {scene.what} | {code} | {free} | {seen.more or '-'}{wrong} |\n", is_right


if __name__ == "__main__":
    sys.exit(main())
