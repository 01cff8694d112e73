"""Everything that RESULTS.md says, measured anew: `make bench`, or `make bench-quick`.

    python benchmarks/run.py            (about twenty minutes: a million rows, 10 million events)
    python benchmarks/run.py --quick    (about two minutes; RESULTS.md stays as it is)

Each script can be run by itself and replaces its sections. Last comes the chart of the README.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from support.scripts import arguments

from benchmarks import chart
from benchmarks.pages import PAGE_VARIABLE

HERE = Path(__file__).resolve().parent
WHOLE = (
    ("committing.py",),
    ("pushes.py",),
    ("strict.py",),
    ("starting.py",),
    ("edit_hook.py",),
    ("crowd.py",),
    ("growth.py",),
    ("postgres.py", "--write"),
)
QUICK = (
    ("committing.py", "--rounds", "10", "--quick"),
    ("starting.py", "--rounds", "10"),
    ("crowd.py", "--quick", "closed_loop"),
)


def main() -> None:
    """Run the scripts one after the other, then draw the chart."""
    parser = arguments(__doc__)
    parser.add_argument("--quick", action="store_true", help="the most important, few rounds")
    options = parser.parse_args()
    environment = dict(os.environ)
    if options.quick:
        environment[PAGE_VARIABLE] = os.devnull
    for script, *words in QUICK if options.quick else WHOLE:
        print(f"\n# {script} {' '.join(words)}\n", flush=True)
        command = [sys.executable, f"{HERE.name}/{script}", *words]
        subprocess.check_call(command, cwd=HERE.parent, env=environment)
    if not options.quick:
        chart.draw()


if __name__ == "__main__":
    main()
