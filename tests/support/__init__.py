"""What the tests share: real repositories, real git, a real command line, a sealed environment."""

from support.repositories import AGENTLOCK, NO_HOOKS, Repo, Result, run

__all__ = ["AGENTLOCK", "NO_HOOKS", "Repo", "Result", "run"]
