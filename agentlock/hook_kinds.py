"""Every hook that git has (githooks(5)), each once: what agentlock does with it, and what it needs.

The guard, the scripts in hooks/, their installation and `agentlock doctor` read it here. A hook of
the guard also has a function in guard/questions.py. No dataclass, because the git hooks load this.
"""

from __future__ import annotations

JUDGES = "judges"  # refuses a commit, a merge, a patch or a push where it is made
RECEIVES = "receives"  # refuses a push on the server
MOVES_REFS = "moves-refs"  # refuses that a branch comes to a new commit; only with --strict
RECORDS = "records"  # writes down which commit git made, for the ledger; refuses nothing
PASSED_ON = "passed-on"  # not used by agentlock, which only runs the hook that was there before

FRAMEWORK = "--framework"  # the argument by which .pre-commit-hooks.yaml calls a hook

INDEX = "index"
REMOTES = "remotes"


class HookKind:
    """A git hook and its role. The rest is empty or False unless said otherwise.

    ``word``: what a refusal calls the operation.
    ``essential``: without it, the worktree or the server does not count as guarded; a worktree
    does without what only meets a push that somebody else makes to it.
    ``reads_stdin``: git writes lines to its stdin, which every hook of a chain must see.
    ``asks``: what git is asked before Python has loaded the guard, INDEX or REMOTES.
    ``clears``: the hook that the same git process runs later and that need not judge the same
    index again (guard/clearance.py).
    ``stays``: while one git command runs it for many commits, the guard that has judged the first
    stays for the others (guard/staying.py).
    ``stands_in``: git's configuration runs it where git finds no hooks folder of ours (git 2.54).
    ``framework``: the id in .pre-commit-hooks.yaml that does its work in the pre-commit framework.
    ``misses``: what nobody judges before the push if this hook does not run (a push to this
    repository: nobody at all).
    ``only_where_present``: being there changes what git does, or how fast, so agentlock writes a
    script that passes it on only where there is something to run.
    """

    def __init__(
        self,
        name: str,
        role: str = PASSED_ON,
        word: str = "this",
        *,
        essential: bool = False,
        reads_stdin: bool = False,
        asks: str = "",
        clears: str = "",
        stays: bool = False,
        stands_in: bool = False,
        framework: str = "",
        misses: str = "",
        only_where_present: bool = False,
    ) -> None:
        self.name = name
        self.role = role
        self.word = word
        self.essential = essential
        self.reads_stdin = reads_stdin
        self.asks = asks
        self.clears = clears
        self.stays = stays
        self.stands_in = stands_in
        self.framework = framework
        self.misses = misses
        self.only_where_present = only_where_present

    @property
    def is_always_passed_on(self) -> bool:
        """Whether its script does no harm if there is nothing to run."""
        return self.role == PASSED_ON and not self.only_where_present

    @property
    def refuses(self) -> bool:
        """Whether it can refuse; `agentlock doctor` proves that of each one."""
        return self.role not in (RECORDS, PASSED_ON)


KINDS = {
    kind.name: kind
    for kind in (
        HookKind(
            "pre-commit",
            JUDGES,
            "commit",
            essential=True,
            asks=INDEX,
            clears="prepare-commit-msg",
            framework="agentlock",
        ),
        HookKind(
            "pre-merge-commit",
            JUDGES,
            "merge",
            clears="prepare-commit-msg",
            framework="agentlock",
            misses="merges",
        ),
        # git runs it after the two above, which therefore need not stand in, and --no-verify does
        # not skip it.
        HookKind(
            "prepare-commit-msg",
            JUDGES,
            "commit",
            asks=INDEX,
            clears="reference-transaction",
            stays=True,
            stands_in=True,
            misses="commits with --no-verify, cherry-picks and rebases",
        ),
        HookKind(
            "pre-applypatch",
            JUDGES,
            "patch",
            asks=INDEX,
            stays=True,
            stands_in=True,
            misses="patches (git am)",
        ),
        HookKind(
            "pre-push",
            JUDGES,
            "push",
            essential=True,
            reads_stdin=True,
            asks=REMOTES,
            stands_in=True,
            framework="agentlock-pre-push",
        ),
        HookKind("post-commit", RECORDS, stands_in=True),
        HookKind("post-rewrite", RECORDS, reads_stdin=True, stands_in=True),
        HookKind("post-merge", RECORDS, stands_in=True),
        HookKind("post-applypatch", RECORDS, stands_in=True),
        HookKind(
            "pre-receive",
            RECEIVES,
            "push",
            essential=True,
            reads_stdin=True,
            stands_in=True,
            misses="pushes to this repository",
        ),
        # It does not stand in: one more shell each time refs move costs what the hook itself costs.
        HookKind(
            "reference-transaction", MOVES_REFS, "branch update", essential=True, reads_stdin=True
        ),
        HookKind("applypatch-msg"),
        HookKind("commit-msg"),
        HookKind("pre-rebase"),
        HookKind("post-checkout"),
        HookKind("pre-auto-gc"),
        HookKind("sendemail-validate"),
        HookKind("p4-changelist"),
        HookKind("p4-prepare-changelist"),
        HookKind("p4-post-changelist"),
        HookKind("p4-pre-submit"),
        HookKind("update", only_where_present=True),
        HookKind("proc-receive", only_where_present=True),
        HookKind("post-receive", only_where_present=True),
        HookKind("post-update", only_where_present=True),
        HookKind("push-to-checkout", only_where_present=True),
        HookKind("post-index-change", only_where_present=True),
        # fsmonitor-watchman is missing: core.fsmonitor names its file, wherever that lies.
    )
}


def with_role(*roles: str) -> tuple[str, ...]:
    """The names of the hooks that have one of these roles, in the order above."""
    return tuple(kind.name for kind in KINDS.values() if kind.role in roles)
