"""The worktree that every command and hook starts from, and the settings that count."""

from __future__ import annotations

import os

from agentlock.environment import AGENT
from agentlock.errors import ConfigurationError, GitError, NotARepositoryError
from agentlock.git.settings import FALSE, LOCAL, PER_WORKTREE, Settings
from agentlock.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agentlock.git.process import Result
    from agentlock.git.settings import Entry


# Only the repository's own files count for what begins so: which database guards it, who the agent
# is, whom a server believes, whose key is asked for. A `git -c`, a personal configuration or a file
# that the own ones include (which may be a tracked one) must not lead the guard elsewhere.
_OWN_ONLY = b"agentlock."
_OWN_FILES = {b"local": b"config", b"worktree": b"config.worktree"}
# How names are compared is a fact about the files of a repository, not a choice of one command.
_NOT_BY_COMMAND = (b"core.ignorecase", b"core.precomposeunicode")
_OF_ALL = b"agentlock.strict"  # the hooks are the same in all worktrees


class Repository(Value):
    """A worktree and the settings that agentlock reads. Paths are absolute, as bytes.

    Of a bare repository, ``root`` is its own folder.
    ``database`` is the recorded location made absolute (a path, or a URL), ``database_id`` and
    ``project`` what `init` recorded with it; all three None where `init` has not run.
    """

    root: bytes
    git_dir: bytes
    common_dir: bytes
    settings: Mapping[bytes, bytes]

    @property
    def database(self) -> str | None:
        recorded = self.settings.get(b"agentlock.database")
        return None if not recorded else resolve_database(os.fsdecode(recorded), self.common_dir)

    @property
    def database_id(self) -> str | None:
        return self._text(b"agentlock.databaseid")

    @property
    def project(self) -> str | None:
        return self._text(b"agentlock.project")

    @property
    def agent_mail(self) -> str | None:
        """The database or the archive of an MCP Agent Mail whose reservations count as well."""
        return self._text(b"agentlock.agentmail")

    @property
    def owner_key(self) -> str | None:
        """The hash of the owner's key as `init` saw it, for when the database cannot be asked."""
        return self._text(b"agentlock.ownerkey")

    @property
    def is_bare(self) -> bool:
        return self.root == self.git_dir

    @property
    def treeless_remote(self) -> str | None:
        """The remote from which git fetches each tree when it is needed; None in other clones."""
        for name, value in self.settings.items():
            if name.endswith(b".partialclonefilter") and b"tree:" in value:
                return os.fsdecode(name.split(b".", 1)[1].rpartition(b".")[0])
        return None

    @property
    def identity_variables(self) -> list[str]:
        """The variables that tell this repository who pushes to it.

        Where somebody works in it, whoever pushes is an agent on this machine, and gives its name
        as for a commit. A server believes only what it was told to.
        """
        recorded = (self._text(b"agentlock.identityvariable") or "").split()
        works_here = self.settings.get(b"core.bare") == b"false"
        return recorded or ([AGENT] if works_here else [])

    def require_worktree(self) -> None:
        """NotARepositoryError in a bare repository."""
        if self.is_bare:
            raise NotARepositoryError(
                f"{os.fsdecode(self.root)} is a bare repository, and has no files",
                fix="cd into a worktree of the repository",
            )

    def head(self) -> str:
        """The oid of HEAD; "" where there is no commit yet. Reading files saves a git command."""
        from agentlock.git.process import git, is_oid  # here, as most edits ask git nothing

        head = _line_in(self.git_dir, b"HEAD")
        if head.startswith(b"ref: "):
            head = _line_in(self.common_dir, head[len(b"ref: ") :])
        if not is_oid(head):
            head = git("rev-parse", "--verify", "--quiet", "HEAD").stdout.strip()
        return head.decode("ascii", "replace")

    @property
    def ignore_case(self) -> bool:
        return self._boolean(b"core.ignorecase")

    @property
    def compose_unicode(self) -> bool:
        return self._boolean(b"core.precomposeunicode")

    def _text(self, name: bytes) -> str | None:
        value = self.settings.get(name)
        return None if not value else os.fsdecode(value)

    def _boolean(self, name: bytes) -> bool:
        """A boolean of git's: a key without a value is true (git-config(1), "boolean")."""
        value = self.settings.get(name, b"false").lower()
        if value in (b"true", b"yes", b"on", b"1", b"\0"):
            return True
        if value in (b"false", b"no", b"off", b"0", b""):
            return False
        raise ConfigurationError(
            f"git's setting {name.decode()} is {value.decode('utf-8', 'backslashreplace')!r}, "
            "which is neither true nor false",
            fix=f"git config {name.decode()} false",
        )


def at(common_dir: bytes, asked: Settings | None = None) -> Repository:
    """The repository with this common directory, without a worktree.

    ``asked`` are the settings there, if they have been asked for.
    """
    entries = (asked or Settings(common_dir)).entries()
    settings = _settings(entries, common_dir, common_dir, common_dir)
    return Repository(common_dir, common_dir, common_dir, settings)


def receiving(asked: Settings | None = None) -> Repository:
    """The repository that a push comes to, as a bare one, also if it has worktrees.

    git runs the hooks of a push in git's own folder, with no worktree (githooks(5)).
    """
    from agentlock.git.process import git

    found = git("rev-parse", "--path-format=absolute", "--git-common-dir")
    return discover(asked) if found.code != 0 else at(found.stdout[:-1], asked)


def discover(asked: Settings | None = None) -> Repository:
    """The worktree or bare repository that the current directory lies in.

    ``asked`` are the settings, if they have been asked for.

    NotARepositoryError outside one and in git's folder of one; GitError where git fails otherwise.
    """
    asked = asked or Settings()
    entries = asked.entries()
    found = asked.directories
    if found is None or not _is_here(entries, is_linked=found[1] != found[2]):
        found = _directories()
    root, git_dir, common_dir = found
    return Repository(root, git_dir, common_dir, _settings(entries, root, git_dir, common_dir))


def reread(repository: Repository) -> Repository:
    """The same repository with its settings as they are now."""
    places = (repository.root, repository.git_dir, repository.common_dir)
    return Repository(*places, _settings(Settings(repository.root).entries(), *places))


def _is_here(entries: Sequence[Entry], *, is_linked: bool) -> bool:
    """Whether the worktree is neither elsewhere nor missing, as its own configuration says.

    What all worktrees share says it of the main one. In a linked one it counts only if each may
    have a ``config.worktree`` (setup.c, check_repository_format_gently).

    `git config` leaves out the repository that it does not trust (safe.directory), and does not
    say so.
    """
    if not any(scope == LOCAL for scope, *_ in entries):
        return False
    found = [entry[2:] for entry in entries]
    if is_linked and all(value in FALSE for name, value in found if name == PER_WORKTREE):
        return True
    settings = dict(found)
    return b"core.worktree" not in settings and settings.get(b"core.bare", b"false") == b"false"


def _directories() -> list[bytes]:
    from agentlock.git.process import git, output

    questions = ("--show-toplevel", "--absolute-git-dir", "--git-common-dir")
    result = git("rev-parse", "--path-format=absolute", *questions)
    if result.code != 0:
        bare = _bare_directories()
        if bare is None:
            raise _not_found(result)
        return bare
    answers = result.stdout[:-1].split(b"\n")
    if len(answers) != len(questions):  # a path with a newline in it: ask one by one
        answers = [output("rev-parse", "--path-format=absolute", one)[:-1] for one in questions]
    if not all(os.path.isabs(answer) for answer in answers):
        from agentlock.git import version

        raise GitError(version.too_old(version.installed()), fix="upgrade git")
    return answers


def _bare_directories() -> list[bytes] | None:
    """The answers of ``_directories`` in a bare repository, also where git runs its hooks."""
    from agentlock.git.process import git, output

    if git("rev-parse", "--is-bare-repository").stdout != b"true\n":
        return None
    questions = ("--absolute-git-dir", "--git-common-dir")
    git_dir, common_dir = (
        output("rev-parse", "--path-format=absolute", one)[:-1] for one in questions
    )
    return [git_dir, git_dir, common_dir] if git_dir == common_dir else None


def _not_found(result: Result) -> NotARepositoryError | GitError:
    said = result.said().removeprefix("fatal: ")
    if "work tree" in said:
        return NotARepositoryError(
            "this is git's own folder, not a worktree",
            fix="cd into a worktree of the repository",
        )
    if "not a git repository" in said:
        try:
            here = os.getcwd()
        except OSError:
            return NotARepositoryError("the current directory no longer exists", fix="cd")
        return NotARepositoryError(
            f"{here} is not in a git repository", fix="cd into one, or make one with git init"
        )
    if "dubious ownership" in said:
        return GitError(
            f"git does not trust this folder, because it belongs to another user: {said}",
            fix=result.advice(),
        )
    bare = said.partition("bare repository '")[2].rpartition("' (safe.bareRepository")[0]
    from agentlock.text import shell_word

    advice = f"cd {shell_word(bare)}" if bare else result.advice()
    return GitError(f"git cannot read this repository: {said}", fix=advice)


def _settings(
    entries: Iterable[Entry], root: bytes, git_dir: bytes, common_dir: bytes
) -> dict[bytes, bytes]:
    """What counts of the entries, the last of a name.

    ``agentlock agent scope`` and ``agentlock hooks scope`` say where two of them stand,
    ``agentlock ignored`` names one of agentlock's that does not count, and where it stands.
    """
    settings: dict[bytes, bytes] = {}
    for scope, origin, name, value in entries:
        if name.startswith(_OWN_ONLY):
            folder = git_dir if scope == b"worktree" else common_dir
            if not _is_own(scope, origin, root, folder):
                settings[b"agentlock ignored"] = b"%b (%b)" % (name, origin or scope)
                continue
        if name in _NOT_BY_COMMAND and scope == b"command":
            continue
        if name == _OF_ALL and scope == b"worktree":
            continue
        settings[name] = value
        if name == b"core.hookspath":
            settings[b"agentlock hooks scope"] = scope
        elif name == b"agentlock.agent":
            settings[b"agentlock agent scope"] = scope
    return settings


def _line_in(folder: bytes, name: bytes) -> bytes:
    try:
        with open(os.path.join(folder, name), "rb") as file:
            return file.read(4096).rstrip(b"\n")
    except OSError:
        return b""


def _is_own(scope: bytes, origin: bytes, root: bytes, folder: bytes) -> bool:
    """Whether a setting stands in one of the repository's own two files, in ``folder``.

    git prints an included file like any other. A path that is not absolute begins at the root, or
    where git was started.
    """
    name = _OWN_FILES.get(scope)
    kind, _, path = origin.partition(b":")
    if name is None or kind != b"file":
        return False
    own = os.path.join(folder, name)
    if os.path.join(root, path) == own:
        return True
    real = os.path.realpath(own)
    return real in (os.path.realpath(os.path.join(root, path)), os.path.realpath(path))


def resolve_database(recorded: str, common_dir: bytes) -> str:
    """The recorded location as an absolute path: it is relative inside the common directory."""
    if "://" in recorded:
        return recorded
    return os.path.join(os.fsdecode(common_dir), recorded)


def worktree_roots(common_dir: bytes) -> list[bytes]:
    """The real path of every worktree that is there, the main one first.

    Read from git's own files: git itself would cost a hook 2 ms. Of a bare repository and of a
    submodule the main one is not known here.
    """
    found = []
    if os.path.basename(common_dir) == b".git":
        found.append(os.path.dirname(common_dir))
    folder = os.path.join(common_dir, b"worktrees")
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        names = []
    for name in names:
        try:
            with open(os.path.join(folder, name, b"gitdir"), "rb") as file:
                link = file.read().rstrip(b"\n")
        except OSError:  # git is making or removing it
            continue
        found.append(os.path.dirname(os.path.join(folder, name, link)))
    return [os.path.realpath(path) for path in found if os.path.isdir(path)]
