"""Every command ends: `--timeout` bounds computing as well as waiting."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from support import HOLDER, OTHER

if TYPE_CHECKING:
    from support import Repo

MANY = 1_500  # globs, each of which may meet each of as many others


def test_comparing_thousands_of_globs_ends_in_time_and_changes_nothing(repo: Repo) -> None:
    ours, theirs = (
        [f"**/*{letter}{number}z*q?[ab]c*" for number in range(MANY)] for letter in "ij"
    )
    long = ("--shared", "--timeout", "5m")
    first = repo.agentlock("reserve", *long, *ours, agent=HOLDER)
    assert first.code == 0, first.err[:500]
    started = time.monotonic()
    refused = repo.agentlock("reserve", "--shared", "--timeout", "1s", *theirs, agent=OTHER)
    assert time.monotonic() - started < 30
    assert refused.code == 3, refused
    assert "comparing the patterns takes longer than 1 s" in refused.err
    assert "--timeout" in refused.err
    assert all(agent == HOLDER for agent, _, _ in repo.live())
