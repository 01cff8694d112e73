"""Every place where a text comes in, given all kinds of them: does each end in good order?

python trials/fuzz.py --examples 1000

Writes how many were tried to docs/evidence/fuzz.md.
"""

from __future__ import annotations

import sys
from collections import Counter

from fuzzing.inputs import KINDS, Target, fuzz
from support.scripts import arguments, sealed_folder

from benchmarks.pages import EVIDENCE, origin

PAGE = EVIDENCE / "fuzz.md"


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--examples", type=int, default=1000, metavar="N", help="of each kind")
    options = parser.parse_args()
    tried: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    with sealed_folder("fuzz") as folder:
        for at, kind in enumerate(KINDS):
            target = Target(folder / str(at) / "target")
            try:
                fuzz(kind, target, options.examples)
                target.check()
            except AssertionError as error:
                failures[kind] += 1
                print(f"{kind}: {error}", file=sys.stderr)
            finally:
                tried[kind] = target.tried
                target.close()
            print(f"{kind}: {tried[kind]:,} tried, {failures[kind]} failures", flush=True)
    rows = "".join(f"| {kind} | {tried[kind]:,} | {failures[kind]} |\n" for kind in KINDS)
    total = f"| all | {tried.total():,} | {failures.total()} |\n"
    head = "# Fuzzing\n\n| what | texts tried | failures |\n|---|---:|---:|\n"
    PAGE.write_text(f"{head}{rows}{total}\n{origin()}\n", encoding="utf-8")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
