"""Many processes reserve the same file at once: is exactly one granted, each time?

python trials/race.py --processes 100 --rounds 20
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from support.racing import Call, start_together
from support.scripts import arguments

from benchmarks.scratch import Scratch


def main() -> int:
    """Race, round by round; 0 where each round granted one and refused all others with 1."""
    parser = arguments(__doc__)
    parser.add_argument("--processes", type=int, default=100, metavar="N")
    parser.add_argument("--rounds", type=int, default=20, metavar="N")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="agentlock-race-") as folder:
        return race(Scratch(Path(folder)), options.processes, options.rounds)


def race(scratch: Scratch, processes: int, rounds: int) -> int:
    repo = scratch.repository("race")
    repo.must("init", program="agentlock")
    calls = [Call(f"Racer{at}", ("reserve", "src/app.py")) for at in range(processes)]
    expected = Counter({0: 1, 1: processes - 1})
    total: Counter[int] = Counter()
    for turn in range(1, rounds + 1):
        started = time.perf_counter()
        results = start_together(calls, repo.path, scratch.environment)
        seconds = time.perf_counter() - started
        codes = Counter(result.code for result in results)
        total += codes
        print(f"round {turn:>3}: {shown(codes)}   {seconds:.1f} s", flush=True)
        if codes != expected:
            for result in results:
                if result.code not in (0, 1):
                    print(result.err, file=sys.stderr)
            return 1
        winner = next(
            call.agent for call, result in zip(calls, results, strict=True) if not result.code
        )
        repo.must("release", "--all", "--agent", winner, program="agentlock")
    print(f"total: {rounds} rounds of {processes} processes: {shown(total)}")
    return 0


def shown(codes: Counter[int]) -> str:
    names = {0: "granted", 1: "refused"}
    return ", ".join(
        f"{count} {names.get(code, 'WRONG')} (exit {code})" for code, count in sorted(codes.items())
    )


if __name__ == "__main__":
    sys.exit(main())
