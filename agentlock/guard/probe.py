"""The guard's answer to a probe of `agentlock doctor`. It is always a refusal.

A probe pretends to change a path that nobody has, and the guard pretends that somebody else holds
it: everything up to the verdict is what a commit meets, the table included, and no row is needed.
Whoever sets the variable for a real commit has it refused, whatever it changes.
"""

from __future__ import annotations

import os
import sys

from agentlock.environment import PROBE
from agentlock.errors import EXIT_REFUSED, EXIT_UNDECIDED
from agentlock.git.rehearsal import path_of, sentence
from agentlock.guard.judge import judge
from agentlock.guard.report import tell
from agentlock.model import PathConflict, Reservation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentlock.model import Changes
    from agentlock.patterns.matching import Folding
    from agentlock.store.base import Store

_NOBODY = "agentlock doctor"  # with a space: no agent can be called so


def answer(hook: str, store: Store, changes: Changes, agent: str | None, folding: Folding) -> int:
    """Tell whether the probe's path would have been refused; the exit code, never 0."""
    nonce = os.environ[PROBE]
    if nonce.isalnum() and _is_refused(path_of(nonce), store, changes, agent, folding):
        tell(f"{sentence(nonce, hook)}\n")
        return EXIT_REFUSED
    tell(
        "agentlock: refused: AGENTLOCK_PROBE is set, and only for agentlock doctor\n"
        "  fix: unset AGENTLOCK_PROBE\n"
    )
    return EXIT_UNDECIDED


def _is_refused(
    path: bytes, store: Store, changes: Changes, agent: str | None, folding: Folding
) -> bool:
    held = Reservation(0, _NOBODY, b"/" + path, True, "", 0, sys.maxsize, None, 0)
    verdict, _ = judge(store, changes, agent, folding, [held])
    return PathConflict(path, held) in verdict.conflicts
