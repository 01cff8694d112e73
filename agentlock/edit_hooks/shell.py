"""What a shell command plainly writes, moves or removes, and what git would throw away for it.

A real grammar reads the line. What cannot be read from it (variables, substitutions, programs that
write by themselves) is not guessed: it passes here, and is judged at the commit.
"""

from __future__ import annotations

import os
import time

from agentlock.edit_hooks.discards import discarded, is_worktree, whole
from agentlock.edit_hooks.grammar import parse
from agentlock.edit_hooks.patch import paths_in
from agentlock.edit_hooks.words import heredoc, standard_input, target_of, words_of
from agentlock.edit_hooks.writers import WRITERS, has, patched, plain
from agentlock.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tree_sitter import Node

    from agentlock.edit_hooks.discards import Discard
    from agentlock.edit_hooks.words import Word

_OPENERS = frozenset((">", ">>", "&>", "&>>", ">|", "<>", ">&"))
_BEFORE_A_COMMAND = frozenset(
    ("sudo", "command", "nohup", "time", "env", "exec", "builtin", "nice", "timeout", "eval")
)
_LEADERS = ("cd", "pushd", "popd")
_SHELLS = frozenset(("sh", "bash", "zsh", "dash"))
_PATCHES = frozenset(("apply_patch", "applypatch"))
_DEEPEST = 4  # shells in shells
LONGEST_LOOK = 1.0  # seconds, for the files that all patterns of a line find


class Effects(Value):
    """What a command line does: the paths that it writes, absolute, and what git discards.

    ``endless`` are the folders below which it names files by a pattern, so many that they were not
    found in time: the pattern itself is among the paths then.
    """

    writes: tuple[str, ...] = ()
    discards: tuple[Discard, ...] = ()
    endless: tuple[str, ...] = ()


def effects_of(line: str, cwd: str, longest_look: float = LONGEST_LOOK) -> Effects:
    """What the line plainly does in this folder."""
    reader = _Reader(cwd, time.monotonic() + longest_look)
    reader.read(line)
    paths = [path for path in dict.fromkeys(reader.writes) if "\0" not in path]
    return Effects(tuple(paths), tuple(reader.discards), tuple(reader.endless))


class _Reader:
    """Walks a line as a shell would run it, and follows ``cd``."""

    def __init__(self, cwd: str, until: float) -> None:
        self.cwd = cwd
        self.writes: list[str] = []
        self.discards: list[Discard] = []
        self.endless: list[str] = []
        self._until = until
        self._depth = 0
        self._left = cwd  # for ``cd -``
        self._pushed: list[str] = []

    def read(self, line: str) -> None:
        if self._depth < _DEEPEST:
            self._depth += 1
            self._visit(parse(line))
            self._depth -= 1

    def _visit(self, node: Node) -> None:
        if node.type == "command":
            self._run(words_of(node), node)
        if node.type == "function_definition":
            return  # it runs when it is called, if ever
        before = (self.cwd, self._left, [*self._pushed])
        for child in node.children:
            if child.type == "file_redirect":
                self._redirect(child)
            else:
                self._visit(child)
        if node.type in ("subshell", "command_substitution"):
            self.cwd, self._left, self._pushed = before

    def _redirect(self, node: Node) -> None:
        signs = {child.type for child in node.children}
        if not signs & _OPENERS:
            return
        files = self._files(target_of(node))
        is_copy = ">&" in signs and all(one.isdigit() or one == "-" for one in files)
        if not is_copy:
            self._write(*files)

    def _write(self, *paths: str) -> None:
        for path in paths:
            self.writes.append(os.path.join(self.cwd, os.path.expanduser(path)))

    def _files(self, *words: Word | None) -> list[str]:
        """What words stand for: their texts, and for a pattern the files that it finds."""
        found = []
        for word in words:
            if word is None:
                continue
            text, is_pattern = word
            found += (self._found(text) if is_pattern else []) or [text]
        return found

    def _found(self, pattern: str) -> list[str]:
        from agentlock.edit_hooks.globs import EndlessError, expand, fixed_folder

        try:
            return expand(pattern, self.cwd, self._until)
        except EndlessError:
            self.endless.append(fixed_folder(pattern, self.cwd))
            return []

    def _run(self, words: Sequence[Word | None], node: Node) -> None:
        """One command, after what stands before it, such as ``sudo``."""
        command = self._files(*words[:1])
        while command and command[0] in _BEFORE_A_COMMAND:
            if command[0] == "eval":
                self.read(" ".join(word[0] for word in words[1:] if word is not None))
                return
            words = _without_settings(words[1:])
            command = self._files(*words[:1])
        if not command:
            return
        name = os.path.basename(command[0])
        if name in _SHELLS:
            self.read(_script([word[0] for word in words[1:] if word is not None]))
        elif name in WRITERS or name in _PATCHES or name in (*_LEADERS, "git"):
            self._change(name, [*command[1:], *self._files(*words[1:])], node)

    def _change(self, name: str, rest: list[str], node: Node) -> None:
        """A command that may write, or that leads elsewhere."""
        if name in _LEADERS:
            self._go(name, rest)
        elif name in _PATCHES:
            self._write(*paths_in("\n".join([*rest, heredoc(node)])))
        elif name == "git":
            self._git(rest, node)
        else:
            self._write(*WRITERS[name](rest, self.cwd))
            if name == "patch":
                self._write(*self._sent(node))
            elif name == "rm":
                removed = [os.path.join(self.cwd, os.path.expanduser(one)) for one in plain(rest)]
                self.discards += [whole(one, name) for one in removed if is_worktree(one)]

    def _go(self, name: str, rest: list[str]) -> None:
        """``cd``, ``pushd`` and ``popd``, as far as the line says where they lead."""
        named = [one for one in plain(rest) if not one.startswith("+")]
        is_back = name == "popd" or (name == "pushd" and not named)
        if is_back and (rest or not self._pushed):
            return
        folder = self._pushed.pop() if is_back else (*named, "~")[0]
        if rest == ["-"]:
            folder = self._left
        if name == "pushd":
            self._pushed.append(self.cwd)
        self._left = self.cwd
        self.cwd = os.path.normpath(os.path.join(self.cwd, os.path.expanduser(folder)))

    def _sent(self, node: Node) -> list[str]:
        """The paths of the patch that a command reads from its standard input."""
        files = self._files(standard_input(node))
        return [*paths_in(heredoc(node)), *patched(files, self.cwd)]

    def _git(self, rest: list[str], node: Node) -> None:
        folder = self.cwd
        while rest[:1] and rest[0].startswith("-"):
            if rest[0] == "-C" and len(rest) > 1:
                folder = os.path.join(folder, rest[1])
            rest = rest[2:] if rest[0] in ("-C", "-c", "--git-dir", "--work-tree") else rest[1:]
        if not rest:
            return
        name, options = rest[0], rest[1:]
        if name in ("mv", "rm") and "--cached" not in options:
            self._write(*(os.path.join(folder, one) for one in plain(options)))
        elif name in ("apply", "am") and "--check" not in options:
            found = [*patched(plain(options), self.cwd), *self._sent(node)]
            self._write(*(os.path.join(folder, one) for one in found))
        discard = discarded(name, options, folder)
        if discard is not None:
            self.discards.append(discard.replace(folder=discard.folder or folder))


def _without_settings(words: Sequence[Word | None]) -> list[Word | None]:
    """The command after ``sudo``, ``env`` or ``timeout``: without what is said to these."""
    at = 0
    while at < len(words) and (word := words[at]):
        said = word[0]
        if not said.startswith("-") and "=" not in said and not said[:1].isdigit():
            break
        if said in ("-v", "-V"):
            return []  # it only asks where the command is
        at += 2 if said in ("-u", "-g") else 1
    return list(words[at:])


def _script(words: Sequence[str]) -> str:
    """What ``sh -c`` runs, also as ``-lc`` or ``-ec``; "" if it runs something else."""
    found = [at for at, one in enumerate(words[:-1]) if one[:1] == "-" and has((one,), "c", "")]
    return words[found[0] + 1] if found else ""
