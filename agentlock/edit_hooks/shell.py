"""What a shell command plainly writes, moves or removes, and what git would throw away for it.

A real grammar reads the line. What cannot be read from it (variables, substitutions, programs that
write by themselves) is not guessed: it passes here, and is judged at the commit.
"""

from __future__ import annotations

import os

from agentlock.edit_hooks.patch import paths_in
from agentlock.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tree_sitter import Node

# The grammar is loaded only for a line that has one of these.
_SIGNS = (
    *(">", "tee", "sed", "perl", "cp", "mv", "rm", "ln", "install", "truncate", "touch", "dd"),
    *("patch", "git", "unlink"),
)
_OPENERS = frozenset((">", ">>", "&>", "&>>", ">|", "<>", ">&"))
_BEFORE_A_COMMAND = frozenset(
    ("sudo", "command", "nohup", "time", "env", "exec", "builtin", "nice", "timeout", "eval")
)
_SHELLS = frozenset(("sh", "bash", "zsh", "dash"))
_OWN = "agentlock"
_TARGET = "--target-directory="
_DEEPEST = 4  # shells in shells


class Discard(Value):
    """A git command that throws changes away: those of ``paths``, or all if there are none."""

    folder: str
    command: str
    paths: tuple[str, ...] = ()
    untracked: bool = False
    tracked: bool = True


class Effects(Value):
    """What a command line does: the paths that it writes, absolute, and what git discards."""

    writes: tuple[str, ...] = ()
    discards: tuple[Discard, ...] = ()


def effects_of(line: str, cwd: str) -> Effects:
    """What the line plainly does in this folder; nothing if it has no word that matters."""
    if not any(sign in line for sign in _SIGNS):
        return Effects()
    reader = _Reader(cwd)
    reader.read(line)
    paths = [path for path in dict.fromkeys(reader.writes) if "\0" not in path]
    return Effects(tuple(paths), tuple(reader.discards))


class _Reader:
    """Walks a line as a shell would run it, and follows ``cd``."""

    def __init__(self, cwd: str) -> None:
        self.cwd = cwd
        self.writes: list[str] = []
        self.discards: list[Discard] = []
        self._depth = 0

    def read(self, line: str) -> None:
        if self._depth < _DEEPEST:
            self._depth += 1
            self._visit(_tree(line))
            self._depth -= 1

    def _visit(self, node: Node) -> None:
        if node.type == "command":
            self._run([_literals(one, self.cwd) for one in _words(node)], node)
        if node.type == "function_definition":
            return  # it runs when it is called, if ever
        before = self.cwd
        for child in node.children:
            if child.type == "file_redirect":
                self._redirect(child)
            else:
                self._visit(child)
        if node.type in ("subshell", "command_substitution"):
            self.cwd = before

    def _redirect(self, node: Node) -> None:
        signs = {child.type for child in node.children}
        files = _literals(node.children[-1], self.cwd) or ()
        is_copy = ">&" in signs and all(one.isdigit() or one == "-" for one in files)
        if signs & _OPENERS and not is_copy:
            self._write(*files)

    def _write(self, *paths: str) -> None:
        for path in paths:
            self.writes.append(os.path.join(self.cwd, os.path.expanduser(path)))

    def _run(self, read: Sequence[list[str] | None], node: Node) -> None:
        """One command; ``read`` has what each word stands for, None where nobody can tell."""
        words = list(read)
        while words and words[0] and words[0][0] in _BEFORE_A_COMMAND:
            if words[0][0] == "eval":
                self.read(" ".join(word for one in words[1:] for word in one or ()))
                return
            words = _without_settings(words[1:])
        if not words or not words[0]:
            return
        name = os.path.basename(words[0][0])
        rest = [word for one in words[1:] for word in one or ()]
        if name == _OWN:
            return
        if name == "cd":
            self.cwd = os.path.normpath(os.path.join(self.cwd, os.path.expanduser((*rest, "~")[0])))
        elif name in _SHELLS:
            self.read(_script(rest))
        elif name in ("apply_patch", "applypatch"):
            self._write(*paths_in("\n".join([*rest, _heredoc(node)])))
        elif name == "git":
            self._git(rest, node)
        elif name in _WRITERS:
            self._write(*_WRITERS[name](rest, self.cwd))
            if name == "patch":
                self._write(*self._sent(node))
            elif name == "rm":
                whole = [os.path.join(self.cwd, os.path.expanduser(one)) for one in _plain(rest)]
                self.discards += [_whole(one, name) for one in whole if _is_worktree(one)]

    def _sent(self, node: Node) -> list[str]:
        """The paths of the patch that a command reads from its standard input."""
        return [*paths_in(_heredoc(node)), *_patched(_read_from(node, self.cwd), self.cwd)]

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
            self._write(*(os.path.join(folder, one) for one in _plain(options)))
        elif name in ("apply", "am") and "--check" not in options:
            found = [*_patched(_plain(options), self.cwd), *self._sent(node)]
            self._write(*(os.path.join(folder, one) for one in found))
        discard = _discarded(name, options, folder)
        if discard is not None:
            self.discards.append(discard.replace(folder=discard.folder or folder))


def _discarded(name: str, options: list[str], folder: str) -> Discard | None:
    """What this git command throws away; None if it throws nothing away."""
    plain, flags = _plain(options), {one for one in options if one.startswith("-")}
    after = options[options.index("--") + 1 :] if "--" in options else []
    shown, found = f"git {name}", None
    if name == "stash" and (not options or options[0].startswith(("-", "push", "save"))):
        untracked = bool(flags & {"-u", "--include-untracked", "-a", "--all"})
        found = Discard("", shown, tuple(after), untracked=untracked)
    elif name == "worktree" and plain[:1] == ["remove"] and _has(flags, "f", "--force"):
        removed = os.path.join(folder, "".join(plain[1:2]))
        found = _whole(removed, f"{shown} remove") if _is_worktree(removed) else None
    elif name == "reset" and "--hard" in flags:
        found = Discard("", f"{shown} --hard")
    elif name == "clean" and _has(flags, "f", "--force") and not _has(flags, "n", "--dry-run"):
        found = Discard("", shown, tuple(plain), untracked=True, tracked=False)
    elif name in ("checkout", "switch") and flags & {"-f", "--force", "--discard-changes"}:
        found = Discard("", f"{shown} -f")
    elif name == "checkout" and not flags & {"-b", "-B", "--orphan"}:
        paths = after or [one for one in plain if os.path.lexists(os.path.join(folder, one))]
        found = Discard("", shown, tuple(paths)) if paths else None
    elif name == "restore" and ("--staged" not in flags or "--worktree" in flags):
        found = Discard("", shown, tuple(plain))
    return found


def _whole(folder: str, command: str) -> Discard:
    """All that is changed in a worktree, which goes with it."""
    return Discard(folder, command, untracked=True)


def _is_worktree(folder: str) -> bool:
    return os.path.lexists(os.path.join(folder, ".git"))


def _has(flags: Iterable[str], letter: str, name: str) -> bool:
    """Whether an option is among the flags, also as one letter of several."""
    return any(one == name or (one[1:2] != "-" and letter in one) for one in flags)


def _without_settings(words: Sequence[list[str] | None]) -> list[list[str] | None]:
    """The command after ``sudo``, ``env`` or ``timeout``: without what is said to these."""
    at = 0
    while at < len(words) and (said := words[at]):
        if not said[0].startswith("-") and "=" not in said[0] and not said[0][:1].isdigit():
            break
        if said[0] in ("-v", "-V"):
            return []  # it only asks where the command is
        at += 2 if said[0] in ("-u", "-g") else 1
    return list(words[at:])


def _script(words: Sequence[str]) -> str:
    """What ``sh -c`` runs, also as ``-lc`` or ``-ec``; "" if it runs something else."""
    found = [at for at, one in enumerate(words[:-1]) if one[:1] == "-" and _has((one,), "c", "")]
    return words[found[0] + 1] if found else ""


def _plain(words: Sequence[str]) -> list[str]:
    """The words that are no options; all of them after ``--``."""
    if "--" in words:
        at = list(words).index("--")
        return [*_plain(words[:at]), *words[at + 1 :]]
    return [one for one in words if not one.startswith("-")]


def _all(words: list[str], _cwd: str) -> list[str]:
    return _plain(words)


def _without_values(words: list[str], _cwd: str) -> list[str]:
    """truncate, touch: the files, without the values of -s, -d, -r and -t."""
    valued = ("-s", "-d", "-r", "-t", "--size", "--date", "--reference")
    pairs = zip(["", *words], words, strict=False)
    return _plain([word for before, word in pairs if before not in valued])


def _last(words: list[str], cwd: str) -> list[str]:
    """cp, install, ln: the target, or what comes into it if it is a folder."""
    sources, target = _sources_and_target(words)
    if target and os.path.isdir(os.path.join(cwd, target)):
        return [os.path.join(target, os.path.basename(one.rstrip("/"))) for one in sources]
    return [target] if target else []


def _moved(words: list[str], cwd: str) -> list[str]:
    return [*_sources_and_target(words)[0], *_last(words, cwd)]


def _sources_and_target(words: list[str]) -> tuple[list[str], str]:
    if "-t" in words[:-1]:
        at = words.index("-t")
        return _plain([*words[:at], *words[at + 2 :]]), words[at + 1]
    named = [one for one in words if one.startswith(_TARGET)]
    if named:
        return _plain(words), named[-1].removeprefix(_TARGET)
    plain = _plain(words)
    return plain[:-1], plain[-1] if len(plain) > 1 else ""


def _by_sed(words: list[str], _cwd: str) -> list[str]:
    return _in_place(words, script="ef", ends="efi")


def _by_perl(words: list[str], _cwd: str) -> list[str]:
    return _in_place(words, script="eE", ends="eEiMmIF")


def _in_place(words: list[str], *, script: str, ends: str) -> list[str]:
    """In place, as ``sed -i`` and ``perl -i`` do: every file after the script.

    ``script`` are the letters of options that give one; after one of ``ends`` the rest of the word
    is its value.
    """
    files: list[str] = []
    in_place = has_script = skip = False
    for word in words:
        if skip:
            skip = False
        elif word.startswith("--"):
            in_place = in_place or word.startswith("--in-place")
            has_script = has_script or word.startswith(("--expression", "--file"))
            skip = word in ("--expression", "--file")
        elif word.startswith("-") and len(word) > 1:
            at = next((at for at, one in enumerate(word) if one in ends), len(word))
            last = word[at : at + 1]
            in_place = in_place or last == "i"
            has_script = has_script or (bool(last) and last in script)
            skip = bool(last) and last in script and at == len(word) - 1
        else:
            files.append(word)
    if not in_place:
        return []
    return files if has_script else files[1:]


def _made_of(words: list[str], _cwd: str) -> list[str]:
    return [word[3:] for word in words if word.startswith("of=")]


def _by_patch(words: list[str], cwd: str) -> list[str]:
    """patch: the file that it names, or what the patch file names."""
    files = [words[at + 1] for at, one in enumerate(words[:-1]) if one in ("-i", "--input")]
    named = [one for one in _plain(words) if one not in files]
    return [*named[:1], *_patched([*files, *named[1:2]], cwd)]


def _patched(files: Sequence[str], cwd: str) -> list[str]:
    """The paths in patch files that can be read."""
    found: list[str] = []
    for name in files:
        path = os.path.join(cwd, name)
        if os.path.isfile(path) and os.access(path, os.R_OK):
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                found += paths_in(file.read())
    return found


_WRITERS: dict[str, Callable[[list[str], str], list[str]]] = {
    **dict.fromkeys(("tee", "rm", "rmdir", "unlink"), _all),
    **dict.fromkeys(("truncate", "touch"), _without_values),
    **dict.fromkeys(("cp", "install", "ln"), _last),
    **dict.fromkeys(("sed", "gsed"), _by_sed),
    "perl": _by_perl,
    "mv": _moved,
    "dd": _made_of,
    "patch": _by_patch,
}


def _tree(line: str) -> Node:
    from agentlock.edit_hooks.grammar import parse

    return parse(line)


def _words(node: Node) -> list[Node]:
    """The words of a command; assignments before it, redirections and here-documents are none."""
    left_out = ("variable_assignment", "file_redirect", "heredoc_redirect", "herestring_redirect")
    named = [one for one in node.named_children if one.type not in left_out]
    return [one.children[0] if one.type == "command_name" else one for one in named]


def _heredoc(node: Node) -> str:
    """The here-document of a command, which the grammar hangs next to it."""
    parent = node.parent
    while parent is not None and parent.type in ("pipeline", "list"):
        parent = parent.parent
    for child in parent.children if parent is not None else ():
        if child.type == "heredoc_redirect":
            return "".join(_text(one) for one in child.children if one.type == "heredoc_body")
    return ""


def _read_from(node: Node, cwd: str) -> list[str]:
    """The file that a command reads as its standard input."""
    near = [*node.children, *(node.parent.children if node.parent is not None else ())]
    for child in near:
        if child.type == "file_redirect" and any(one.type == "<" for one in child.children):
            return _literals(child.children[-1], cwd) or []
    return []


def _literals(node: Node, cwd: str) -> list[str] | None:
    """What a word stands for: a text, or the files that a pattern finds; None if unknown."""
    text = _literal(node)
    if text is None:
        return None
    if node.type == "word" and any(sign in text for sign in "*?["):
        from glob import glob

        try:
            return sorted(glob(text, root_dir=cwd)) or [text]
        except ValueError:  # a folder with a name that none can have
            return [text]
    return [text]


def _literal(node: Node) -> str | None:
    text = _text(node)
    if node.type == "raw_string":
        return text[1:-1]
    if node.type in ("word", "number"):
        return _unescaped(text)
    if node.type in ("string", "concatenation"):
        parts = [_literal(one) for one in node.named_children]
        return None if None in parts else "".join(one for one in parts if one is not None)
    return text if node.type == "string_content" else None


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    out, escaped = [], False
    for letter in text:
        if letter == "\\" and not escaped:
            escaped = True
            continue
        out.append(letter)
        escaped = False
    return "".join(out)


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")
