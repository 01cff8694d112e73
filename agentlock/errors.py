"""The errors. Each class has its exit code, and nothing else decides one.

A class costs a git hook as much as ten of its functions, so those which few of them meet stand
where they are raised: table_errors.py, waiting/circles.py, rules/owner_key.py.
"""

from __future__ import annotations

EXIT_OK = 0
EXIT_REFUSED = 1
EXIT_USAGE = 2
EXIT_UNDECIDED = 3
EXIT_BUG = 70
EXIT_INTERRUPTED = 130


class AgentlockError(Exception):
    """Anything a user can cause: one sentence, and one next step.

    ``fix`` is a command, or a short instruction, that repairs it; ``see`` is a command that shows
    more. Neither is given if nothing helps. ``kind`` is the stable word of the JSON shape
    ``{"error": {"kind": …}}``.
    """

    exit_code = EXIT_UNDECIDED
    kind = "error"

    def __init__(self, message: str, *, fix: str = "", see: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix
        self.see = see
        self.details: dict[str, object] = {}  # more keys of the JSON shape

    @property
    def hint(self) -> str:
        """The next step, whichever kind it is: the JSON key ``hint``."""
        return self.fix or self.see


class RefusedError(AgentlockError):
    """Decided, and the answer is no: a conflict, a lost lease, somebody else's reservation."""

    exit_code = EXIT_REFUSED
    kind = "refused"


class UsageError(AgentlockError):
    """Wrong input. Nothing was changed."""

    exit_code = EXIT_USAGE
    kind = "usage"


class PatternError(UsageError):
    """A pattern that cannot be reserved, with the offending text in the message."""

    kind = "pattern"


class IdentityError(UsageError):
    """No agent name is set, or it is not a valid name."""

    kind = "identity"


class UndecidedError(AgentlockError):
    """Could not decide, and therefore refused."""

    kind = "undecided"


class GitError(UndecidedError):
    """Git failed, or its answer was not understood."""

    kind = "git"


class NotARepositoryError(UsageError):
    """The current directory is in no git repository (or in a bare one, which has no files)."""

    kind = "not-a-repository"


class ConfigurationError(UndecidedError):
    """The repository's agentlock settings are missing or make no sense."""

    kind = "configuration"


class DatabaseError(UndecidedError):
    """The reservation table cannot be read or written."""

    kind = "database"


class ReadOnlyTableError(DatabaseError):
    """The table can be read here, and not written."""
