"""What exactly do commits change? Digests by which the same change is known again.

The digest of a raw diff names a change on its base: paths, modes and blobs. The digest of an exact
patch names it on any base: paths, modes and hunks, without the numbers of their lines. It is our
own, because git-patch-id(1) ignores spaces, and below git 2.39 what binary files hold. It begins
with the digest of the paths alone, which costs no look at any file.
"""

from __future__ import annotations

from agentlock.git.changes import RAW, digest
from agentlock.git.process import Answering, output
from agentlock.model import Value
from agentlock.records import OF_PATHS, OF_PATHS_LENGTH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_LARGE = 1 << 20  # bytes; the blob of a larger file stands for its hunks
# Every setting and attribute that would change a patch: it must be the same on client and server.
_SETTINGS = (
    *("-c", "diff.suppressBlankEmpty=false", "-c", "core.quotePath=true"),
    *("-c", "log.showSignature=false"),
)
_PATCH = (
    *("-p", "--text", "-U3", "--inter-hunk-context=0", "--no-renames", "--no-ext-diff"),
    *("--no-textconv", "--no-color", "--full-index", "--ignore-submodules=none"),
    *("--diff-algorithm=myers", "--no-indent-heuristic", "--no-relative", "-O/dev/null"),
    *("--src-prefix=a/", "--dst-prefix=b/", "--submodule=short"),
)


class Made(Value):
    """A commit: its tree, its parents, and when it was committed (seconds, UTC)."""

    oid: str
    tree: str
    parents: tuple[str, ...]
    committed: int

    @property
    def base(self) -> str:
        """The first parent; "" where there is none."""
        return self.parents[0] if self.parents else ""


def read_commits(oids: Iterable[str]) -> dict[str, Made]:
    """The commits that are here, by oid; what is missing, or is no commit, is left out."""
    asked = "".join(f"{oid}\n" for oid in oids)
    if not asked:
        return {}
    answer = output("cat-file", "--batch", stdin=asked.encode())
    found: dict[str, Made] = {}
    at = 0
    while at < len(answer):
        end = answer.index(b"\n", at)
        words = answer[at:end].split()
        at = end + 1
        if len(words) != 3:  # "OID missing"
            continue
        size = int(words[2])
        if words[1] == b"commit":
            one = _made(words[0].decode(), answer[at : at + size])
            found[one.oid] = one
        at += size + 1
    return found


def _made(oid: str, content: bytes) -> Made:
    tree, committed, parents = "", 0, []
    for line in content.partition(b"\n\n")[0].splitlines():
        name, _, value = line.partition(b" ")
        if name == b"tree":
            tree = value.decode()
        elif name == b"parent":
            parents.append(value.decode())
        elif name == b"committer":
            words = value.split()
            committed = int(words[-2]) if len(words) > 1 and words[-2].isdigit() else 0
    return Made(oid, tree, tuple(parents), committed)


def raw_diffs(pairs: Sequence[tuple[str, str]]) -> list[bytes]:
    """The raw diff of each (commit, base), as ``diff-index --cached`` gave it before the commit.

    Both must be here; the base "" is no commit at all.
    """
    if not pairs:
        return []
    asked = "".join(f"{oid} {base}".rstrip() + "\n" for oid, base in pairs).encode()
    answer = output("diff-tree", "--stdin", "-r", "--root", "--always", *RAW, stdin=asked)
    found = [diff for _, diff in diffs_in(answer)]
    if len(found) != len(pairs):
        from agentlock.git.changes import cut_short

        raise cut_short()
    return found


def diffs_in(answer: bytes) -> list[tuple[bytes, bytes]]:
    """The raw diffs that ``diff-tree --stdin`` gives, each with the line that names its commit."""
    found: list[tuple[bytes, list[bytes]]] = []
    fields = iter(answer.split(b"\0")[:-1])
    for field in fields:
        if field[:1] == b":":
            found[-1][1].extend((field, next(fields)))
        else:
            found.append((field, []))
    return [(line, _joined(parts)) for line, parts in found]


class NewCommits:
    """Asks one git process about commit after commit, as they are made."""

    def __init__(self) -> None:
        self._git = Answering(
            "diff-tree", "--stdin", "-r", "--root", "--always", "--format=%P", *RAW
        )

    def parents_and_digest(self, oid: str) -> tuple[tuple[str, ...], str]:
        """The parents of a commit and, if it has one at most, the digest of its raw diff.

        That diff is what ``diff-index --cached`` gave before the commit. GitError if git is gone.
        """
        # git repeats a line that begins with no oid (builtin/diff-tree.c), which tells where the
        # answer ends: no path of a commit has the oid of the commit in it.
        said = self._git.answer(b"%b\n" % oid.encode(), b"end of %b\n" % oid.encode())
        parents, _, diff = said.partition(b"\0")
        return tuple(parents.decode().split()), digest(diff.removeprefix(b"\n"))

    def close(self) -> None:
        self._git.close()


def _joined(fields: Sequence[bytes]) -> bytes:
    return b"".join(b"%b\0" % field for field in fields)


def paths_of(diff: bytes) -> list[bytes]:
    """The paths in a raw diff."""
    return diff.split(b"\0")[1::2]


def beginning_of(diff: bytes) -> str:
    """What the digests of all exact changes begin with that change the paths of this raw diff."""
    return (OF_PATHS + digest(b"\0".join(paths_of(diff))))[:OF_PATHS_LENGTH]


def exact_patches(commits: Sequence[Made], diffs: Sequence[bytes]) -> dict[str, str]:
    """The digest of the exact change of each commit that has one, by oid.

    ``diffs`` are the raw diffs from their first parents. Of a merge it names parents and tree.
    """
    found = _patches(commits, diffs)
    return {
        one.oid: beginning_of(diff) + found[one.oid]
        for one, diff in zip(commits, diffs, strict=True)
        if one.oid in found
    }


def _patches(commits: Sequence[Made], diffs: Sequence[bytes]) -> dict[str, str]:
    found = {
        one.oid: digest(" ".join(("merge", *one.parents, one.tree)).encode())
        for one in commits
        if len(one.parents) > 1
    }
    plain = [
        (one, diff)
        for one, diff in zip(commits, diffs, strict=True)
        if len(one.parents) < 2 and diff
    ]
    large = _large_blobs([diff for _, diff in plain])
    small = []
    for one, diff in plain:
        if any(blob in large for blob in _blobs(diff)):
            found[one.oid] = _with_large(one, diff, large)
        else:
            small.append(one)
    if small:
        asked = "".join(f"{one.oid} {one.base}".rstrip() + "\n" for one in small).encode()
        text = _diff_tree("--stdin", "--root", stdin=asked)
        at = [text.index(b"%b\n" % small[0].oid.encode())]
        for one in small[1:]:
            at.append(text.index(b"\n%b\n" % one.oid.encode(), at[-1]) + 1)
        for one, start, end in zip(small, at, [*at[1:], len(text)], strict=True):
            found[one.oid] = _digest_of(text[start:end].partition(b"\n")[2])
    return found


def staged_patch(diff: bytes) -> str | None:
    """The digest of the exact change that a commit of the index on HEAD would have.

    ``diff`` is its raw diff.
    """
    if not diff or _large_blobs([diff]):
        return None
    asked = ("diff-index", "--cached", *_PATCH, "--ita-invisible-in-index", "HEAD", "--")
    return beginning_of(diff) + _digest_of(output(*_SETTINGS, *asked))


def _diff_tree(*arguments: str, stdin: bytes = b"") -> bytes:
    return output(*_SETTINGS, "diff-tree", "-r", *_PATCH, *arguments, stdin=stdin)


def _digest_of(patch: bytes, beside: bytes = b"") -> str:
    lines = []
    for line in patch.split(b"\n"):
        if line[:2] == b"@@":
            lines.append(b"@@")
        elif line[:6] == b"index ":
            lines.append(b"index" + line[6:].partition(b" ")[2])
        else:
            lines.append(line)
    return digest(b"\n".join(lines) + beside)


def _with_large(one: Made, diff: bytes, large: set[bytes]) -> str:
    """The digest where the blobs of large files stand for their hunks."""
    fields = diff.split(b"\0")
    pairs = list(zip(fields[::2], fields[1::2], strict=False))
    apart = [(header, path) for header, path in pairs if set(header.split()[2:4]) & large]
    left_out = [b":(top,exclude,literal)" + path for _, path in apart]
    base = one.base or output("hash-object", "-t", "tree", "--stdin").decode().strip()
    import os

    rest = _diff_tree(base, one.oid, "--", ":(top)", *(os.fsdecode(path) for path in left_out))
    return _digest_of(rest, _joined([field for pair in apart for field in pair]))


def _blobs(diff: bytes) -> list[bytes]:
    return [oid for header in diff.split(b"\0")[::2] for oid in header.split()[2:4]]


def _large_blobs(diffs: Iterable[bytes]) -> set[bytes]:
    """The blobs in raw diffs that are too large to be compared line by line."""
    blobs = {oid for diff in diffs for oid in _blobs(diff) if oid.strip(b"0")}
    if not blobs:
        return set()
    asked = b"".join(b"%b\n" % oid for oid in sorted(blobs))
    sizes = output("cat-file", "--batch-check=%(objectname) %(objectsize)", stdin=asked)
    return {
        oid
        for oid, _, size in (line.partition(b" ") for line in sizes.splitlines())
        if size.isdigit() and int(size) > _LARGE
    }
