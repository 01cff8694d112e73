"""One bit of the table is flipped, at every byte in turn: which flips change a verdict unnoticed?

python trials/bit_flips.py
"""

from __future__ import annotations

import sys
from collections import Counter

from faults.flips import OUTCOMES, Flips
from support.scripts import arguments, sealed_folder

from benchmarks.pages import EVIDENCE, origin

PAGE = EVIDENCE / "bit-flips.md"


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--step", type=int, default=1, metavar="N", help="Every Nth byte only.")
    options = parser.parse_args()
    with sealed_folder("flips", "/dev/shm") as folder:  # noqa: S108 -- in memory: it is fast
        flips = Flips(folder)
        counts: Counter[str] = Counter()
        for at in range(0, flips.size, options.step):
            counts[flips.outcome(at, at % 8)] += 1
    tried = counts.total()
    rows = "".join(
        f"| {counts[name]:,} | {100 * counts[name] / tried:.2f} % | {what} |\n"
        for name, what in OUTCOMES.items()
    )
    about = f"A table of {flips.size:,} bytes with {flips.rows} reservations, {tried:,} flips.\n"
    head = "| flips | | |\n|---:|---:|---|\n"
    text = f"# Flipped bits\n\n{about}\n{head}{rows}\n{origin()}\n"
    PAGE.write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
