"""A limit on how long a command may compare patterns: `--timeout` bounds that as well."""

from __future__ import annotations

import time

from agentlock.errors import UndecidedError
from agentlock.model import MICROSECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentlock.store.base import Store


class Deadline:
    """The end of the time that a table's user is willing to wait, counted from now.

    To compare two globs may take milliseconds, and thousands may meet thousands.
    """

    def __init__(self, store: Store) -> None:
        self._seconds = store.timeout / MICROSECONDS
        self._end = time.monotonic() + self._seconds

    def check(self) -> None:
        """UndecidedError if it has passed. Nothing was changed."""
        if time.monotonic() > self._end:
            raise UndecidedError(
                f"comparing the patterns takes longer than {self._seconds:g} s",
                fix="name fewer patterns, or folders instead of globs, or give a longer --timeout",
            )
