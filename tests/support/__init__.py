"""What the tests share: real repositories, real git, a real command line, a sealed environment."""

from support.repositories import (
    AGENTLOCK,
    HOLDER,
    NO_HOOKS,
    OTHER,
    Repo,
    Result,
    assert_passed,
    assert_refused,
    copy_repository,
    make_guarded,
    make_plain,
    publish,
    run,
)

__all__ = [
    "AGENTLOCK",
    "HOLDER",
    "NO_HOOKS",
    "OTHER",
    "Repo",
    "Result",
    "assert_passed",
    "assert_refused",
    "copy_repository",
    "make_guarded",
    "make_plain",
    "publish",
    "run",
]
