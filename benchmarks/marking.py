"""What committing.py has a hook run in the place of `main`: the guard, and when each part ended."""

from __future__ import annotations

import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def guard(marks: str) -> int:
    """Guard a commit, and write into a file when each part had ended."""
    moments = [time.time()]

    def noted(function: Callable[..., Any]) -> Callable[..., Any]:
        def noting(*arguments: Any, **options: Any) -> Any:
            result = function(*arguments, **options)
            moments.append(time.time())
            return result

        return noting

    from agentlock.bundle import Bundle

    arguments = sys.argv[2:]  # after `hook`
    bundle = Bundle(arguments[0])
    moments.append(time.time())
    from agentlock.guard.early import Asked

    asked = Asked(arguments)
    from agentlock.guard import questions, run

    bundle.note()
    moments.append(time.time())
    for name in ("identify", "open_table", "judge"):
        setattr(run, name, noted(getattr(run, name)))
    asking = questions.QUESTIONS
    asking["pre-commit"] = noted(asking["pre-commit"])
    code = run.main(arguments, asked)
    bundle.keep()
    with open(marks, "w", encoding="ascii") as file:
        file.write(" ".join(map(str, moments)))
    return code
