"""Does a guarded commit cost more than in another checkout? Compares processor time, in one run.

    git worktree add --detach ../old dc4ad88^    (the last commit before the queue)
    python benchmarks/against.py ../old

Both run under this interpreter, round by round in turning order. Writes a section of RESULTS.md.
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from support.scripts import arguments

from benchmarks.pages import RESULTS, Page, Section
from benchmarks.scratch import Scratch
from benchmarks.timing import commits, interleaved, ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.timing import Sample

HERE = Path(__file__).resolve().parents[1]
OTHERS = 20  # reservations
FILES = 500


def main() -> None:
    """Measure, and replace the section of RESULTS.md."""
    parser = arguments(__doc__)
    parser.add_argument("checkout", type=Path, help="the other checkout")
    parser.add_argument("--rounds", type=int, default=100, metavar="N")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="agentlock-bench-") as folder:
        variants = {
            "before": guarded(Path(folder) / "before", options.checkout.resolve()),
            "now": guarded(Path(folder) / "now", HERE),
        }
        samples = interleaved(variants, options.rounds)
    busy = {name: [sample.cpu for sample in own] for name, own in samples.items()}
    table: list[Sequence[str]] = [("version", "processor, median ms", "to before")]
    for name, own in busy.items():
        table.append((name, f"{statistics.median(own):.1f}", f"{ratio(own, busy['before']):.3f}"))
    text = (
        f"A guarded commit of one file, {options.rounds} rounds in turn, by processor time: this "
        f"version next to {commit_of(options.checkout)}. The ratio is the median of the ratios "
        "round by round."
    )
    print(*map(" | ".join, table), sep="\n")
    Page(RESULTS).replace(Section("A guarded commit, before the queue and now", text, table))


def guarded(folder: Path, checkout: Path) -> Callable[[], Sample]:
    """Commits in a repository whose hooks run that checkout."""
    folder.mkdir()
    scratch = Scratch(folder)
    scratch.environment["PYTHONPATH"] = str(checkout)
    repo = scratch.repository("repo", FILES)
    repo.must("init", program="agentlock")
    hook = (repo.path / ".git" / "hooks" / "pre-commit").read_text(encoding="utf-8")
    assert f"{checkout}/agentlock/" in hook, hook
    for number in range(OTHERS):
        repo.must("reserve", f"docs/{number}.md", program="agentlock", agent="Other")
    return commits(repo)


def commit_of(checkout: Path) -> str:
    command = ("git", "-C", str(checkout), "log", "-1", "--format=%h (%s)")
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main()
