"""How everything here is timed: in rounds, each variant once a round, in turning order.

Whatever else the machine does then meets all of them alike. Absolute times drift from run to run;
the ratios, taken round by round, are what can be compared.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import time
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.scratch import Repository

AnySample = TypeVar("AnySample")


class Sample(NamedTuple):
    """Milliseconds that one command took, and that it and its children kept a processor busy."""

    wall: float
    cpu: float


def interleaved(
    variants: Mapping[str, Callable[[], AnySample]], rounds: int, warm: int = 3
) -> dict[str, list[AnySample]]:
    """A sample of each variant for each round, after a few rounds that do not count."""
    names = list(variants)
    samples: dict[str, list[AnySample]] = {name: [] for name in names}
    for turn in range(rounds + warm):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            sample = variants[name]()
            if turn >= warm:
                samples[name].append(sample)
    return samples


def timed(repo: Repository, command: Sequence[str], *, expected: int) -> Sample:
    environment = repo.scratch.environment
    quiet = subprocess.DEVNULL
    busy, started = cpu_of_children(), time.perf_counter()
    code = subprocess.call(command, cwd=repo.path, env=environment, stdout=quiet, stderr=quiet)
    sample = Sample((time.perf_counter() - started) * 1000, cpu_of_children() - busy)
    assert code == expected, f"{command} in {repo.path.name}: exit code {code}"
    return sample


def cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1000


def ratio(times: Sequence[float], base: Sequence[float]) -> float:
    """The median of the ratios, round by round."""
    return statistics.median(mine / other for mine, other in zip(times, base, strict=True))


def added(times: Sequence[float], base: Sequence[float]) -> float:
    """The median of the differences, round by round."""
    return statistics.median(mine - other for mine, other in zip(times, base, strict=True))


def spread(times: Sequence[float]) -> str:
    tenths = statistics.quantiles(times, n=10)
    return f"{tenths[0]:.1f} to {tenths[-1]:.1f}"


def commits(repo: Repository) -> Callable[[], Sample]:
    """Times one commit of one file; staging it is not counted."""
    turns = iter(range(10**9))

    def commit() -> Sample:
        repo.write("src/0/0.txt", f"change {next(turns)}\n")
        repo.must("add", "src/0/0.txt")
        return timed(repo, ("git", "commit", "-q", "-m", "change"), expected=0)

    return commit


def refusals(repo: Repository) -> Callable[[], Sample]:
    """Times one commit that is refused, of the same staged file each time."""
    repo.must("reserve", "src/0/0.txt", program="agentlock", agent="Other")
    repo.write("src/0/0.txt", "change\n")
    repo.must("add", "src/0/0.txt")
    return lambda: timed(repo, ("git", "commit", "-q", "-m", "change"), expected=1)
