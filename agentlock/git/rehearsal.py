"""Have git itself run a hook on a change that exists nowhere, to see whether it is refused.

The variable that says so can only make a hook refuse: the script of the hook gives no 0 while it
is set, and neither does the guard. The index and the objects lie in a temporary folder; the
repository is read, and nothing in it is written.
"""

from __future__ import annotations

import os

from agentlock.environment import PROBE
from agentlock.git.changes import NOBODY
from agentlock.git.process import Result, git, output
from agentlock.git.scratch import alternate

HOOK_RUN_SINCE = (2, 36)
CONFIGURED_SINCE = (2, 54)  # hooks of git's configuration
_HOOK_STDIN_SINCE = (2, 41)  # hook run --to-stdin
NO_FOLDER = ("-c", "core.hooksPath=/dev/null")
_BRANCH = "refs/heads/agentlock-probe"
# What would write beside the index, ask a daemon, or ask the other side for something else.
_PLAIN = (
    *("-c", "core.splitIndex=false", "-c", "core.fsmonitor=false"),
    *("-c", "core.untrackedCache=false", "-c", "index.sparse=false"),
    *("-c", "push.negotiate=false", "-c", "protocol.file.allow=always"),
)


def path_of(nonce: str) -> bytes:
    """The path that a probe pretends to change; the guard refuses it for this probe only."""
    return b".agentlock-probe-" + os.fsencode(nonce)


def sentence(nonce: str, hook: str) -> str:
    """The sentence that the guard prints for a refused probe, and at no other time."""
    return f"agentlock: probe {nonce}: {hook} refuses"


def local_variables() -> list[bytes]:
    """The variables that lead git to one repository (git-rev-parse(1))."""
    return output("rev-parse", "--local-env-vars").split()


class Rehearsal:
    """A temporary index and commit in which one worktree changes the probe's path.

    ``folder`` is an empty folder outside the repository, which the caller removes; ``root`` the
    worktree, or the bare repository. No variable of git's own may lead elsewhere
    (``local_variables``).
    """

    def __init__(self, root: bytes, folder: bytes, nonce: str, version: tuple[int, ...]) -> None:
        self.nonce = nonce
        self._root = root
        self._folder = folder
        self._version = version
        self._environment = {
            **os.environb,
            **NOBODY,
            os.fsencode(PROBE): os.fsencode(nonce),
            b"GIT_INDEX_FILE": os.path.join(folder, b"index"),
            b"GIT_OBJECT_DIRECTORY": os.path.join(folder, b"objects"),
            b"GIT_ALTERNATE_OBJECT_DIRECTORIES": alternate(self._objects()),
        }
        self._environment.pop(b"GIT_ALLOW_PROTOCOL", None)  # the push goes to a folder of ours
        os.mkdir(os.path.join(folder, b"objects"))
        head = git("rev-parse", "--verify", "--quiet", "HEAD^{commit}", cwd=root)
        self._head = head.stdout.strip().decode() if head.code == 0 else None
        self._must("read-tree", self._head or "--empty")
        blob = self._must("hash-object", "-w", "--stdin")
        entry = f"100644,{blob},{os.fsdecode(path_of(nonce))}"
        self._must("update-index", "--add", "--cacheinfo", entry)

    def run(self, hook: str, file: str, *options: str) -> Result:
        """Have git run the hook; ``file`` is where git has it, for a git without `git hook`.

        ``options`` are git's own: NO_FOLDER leaves the hooks of the configuration.
        """
        chosen = [*_without_foreign_hooks(self._root), *options]
        if hook == "pre-push":
            return self._push(chosen)
        if hook == "reference-transaction":
            return self._transaction(chosen)
        if hook == "pre-receive":
            return self._receive(file, chosen)
        arguments = self._arguments(hook)
        if self._version >= HOOK_RUN_SINCE:
            return self._git(
                *chosen, "hook", "run", hook, *(["--", *arguments] if arguments else [])
            )
        return self._as_git_would(file, *arguments)

    def _arguments(self, hook: str) -> list[str]:
        """githooks(5): prepare-commit-msg gets the file of the message and where it came from."""
        if hook != "prepare-commit-msg":
            return []
        message = os.path.join(self._folder, b"message")
        with open(message, "wb"):
            pass
        return [os.fsdecode(message), "message"]

    def _commit(self) -> str:
        tree = self._must("write-tree", "--missing-ok")  # of a partial clone
        parent = ("-p", self._head) if self._head else ()
        return self._must("commit-tree", "--no-gpg-sign", "-m", "probe", *parent, tree)

    def _transaction(self, chosen: list[str]) -> Result:
        """A real one, prepared and given up: a branch that is never made (git-update-ref(1))."""
        steps = ("start", f"create {_BRANCH} {self._commit()}", "prepare", "abort")
        stdin = "".join(f"{step}\n" for step in steps).encode()
        return self._git(*chosen, "update-ref", "--stdin", stdin=stdin)

    def _receive(self, file: str, chosen: list[str]) -> Result:
        """The hook alone: a push that it did not refuse would be there, for git has no dry one."""
        commit = self._commit()
        line = f"{'0' * len(commit)} {commit} {_BRANCH}\n".encode()
        if self._version < _HOOK_STDIN_SINCE:
            return self._as_git_would(file, stdin=line)
        lines = os.path.join(self._folder, b"lines")
        with open(lines, "wb") as lines_file:
            lines_file.write(line)
        return self._git(*chosen, "hook", "run", f"--to-stdin={os.fsdecode(lines)}", "pre-receive")

    def _push(self, chosen: list[str]) -> Result:
        """A real push, dry, to an empty repository beside the index that has our HEAD already."""
        commit = self._commit()
        remote = self._remote(os.path.join(self._folder, b"remote.git"))
        options = ("--dry-run", "--no-signed", "--no-follow-tags", "--recurse-submodules=no")
        return self._git(
            *chosen,
            *("push", "--quiet", *options, os.fsdecode(remote), f"{commit}:{_BRANCH}"),
        )

    def _remote(self, path: bytes) -> bytes:
        kind = output("rev-parse", "--show-object-format", cwd=self._root).decode().strip()
        git_dir = os.fsdecode(path)
        made = git(
            *("-c", "core.hooksPath=/dev/null", "-c", "init.defaultRefFormat=files"),
            *("init", "--quiet", "--bare", "--template=", f"--object-format={kind}", git_dir),
            environment={k: v for k, v in os.environb.items() if k != b"GIT_DEFAULT_REF_FORMAT"},
        )
        if made.code != 0:
            raise made.error()
        os.makedirs(os.path.join(path, b"objects", b"info"), exist_ok=True)
        with open(os.path.join(path, b"objects", b"info", b"alternates"), "wb") as file:
            file.write(alternate(self._objects()) + b"\n")
        if self._head:
            branch = os.path.join(path, os.fsencode(_BRANCH))
            os.makedirs(os.path.dirname(branch), exist_ok=True)
            with open(branch, "w", encoding="ascii") as file:
                file.write(f"{self._head}\n")
        return path

    def _as_git_would(self, file: str, *arguments: str, stdin: bytes = b"") -> Result:
        """githooks(5): in the root of the worktree or the bare repository, by sh if need be."""
        import subprocess

        def run(*command: str) -> Result:
            done = subprocess.run(
                command,
                cwd=self._root,
                env=self._environment,
                input=stdin,
                capture_output=True,
                check=False,
            )
            return Result(command, done.returncode, done.stdout, done.stderr)

        try:
            return run(file, *arguments)
        except OSError:
            return run("sh", file, *arguments)

    def _objects(self) -> bytes:
        found = output(
            "rev-parse", "--path-format=absolute", "--git-path", "objects", cwd=self._root
        )
        return found[:-1]

    def _git(self, *arguments: str, stdin: bytes = b"") -> Result:
        return git(*_PLAIN, *arguments, stdin=stdin, cwd=self._root, environment=self._environment)

    def _must(self, *arguments: str) -> str:
        result = self._git(*arguments)
        if result.code != 0:
            raise result.error()
        return result.stdout.strip().decode()


def _without_foreign_hooks(root: bytes) -> list[str]:
    """Options by which git (2.54 and newer) leaves out hooks of the configuration, but for ours."""
    listed = git("config", "-z", "--name-only", "--get-regexp", r"^hook\..*\.command$", cwd=root)
    names = {
        os.fsdecode(name)[len("hook.") : -len(".command")]
        for name in listed.stdout.split(b"\0")[:-1]
    }
    foreign = sorted(name for name in names if not name.startswith("agentlock"))
    return [word for name in foreign for word in ("-c", f"hook.{name}.enabled=false")]
