"""A team on one project: worktrees, clones, a server, agents' leases; and what git answers.

Every git command is a real process with agentlock's real hooks. Each of their answers is compared
with the oracle's, and what differs is kept.
"""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

from histories.team_desks import Desk, Desks, is_refused
from histories.team_place import AGENTS, INTEGRATOR, head_log, questions_in, refs_of
from histories.team_records import Elsewhere, Update
from histories.team_records import is_refused as is_to_be_refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from histories.team_records import Reason
    from support import Result


class Team(Desks):
    """Its commits and pushes, and whether they were answered as the oracle does."""

    def commit(
        self,
        desk: Desk,
        *arguments: str,
        hooks: bool = True,
        replaying: Sequence[str] = (),
        merging: str = "",
        is_new: bool = False,
        gated: bool = True,
        proposed: str = "",
        env: Mapping[str, str] | None = None,
    ) -> Result:
        """A command that makes commits: of each, whether the gate answered as the oracle does.

        Of what is not ``gated`` git asks no hook but a strict one, although they are on. A commit
        that is there already may be ``proposed`` to a branch.

        ``replaying`` are the commits that it may replay, ``merging`` the one that it merges. What
        ``is_new`` may be judged as a new change although it is the same as an entered one.
        """
        log = head_log(desk.path)
        seen = len(log.read_bytes().splitlines()) if log.exists() else 0
        result = self.git(desk, *arguments, hooks=hooks, env=env)
        what = self.told[-1]
        if desk not in self.desks.values():
            self.objects.take(desk.path / ".git" / "objects")
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[seen:]
        for line in lines:
            old, new, *_ = line.split(" ")
            if new in self.known or not new.strip("0"):
                continue
            self.known.add(new)
            commit = self.objects.commit(new)
            bases = commit.parents
            if old.strip("0") and len(bases) == 1 and old not in bases:
                bases = (old,)  # amended
            if hooks and gated:
                self._passed(desk, bases, commit.tree, replaying, what)
                self._made_in[new] = self._home(desk)
            self.oracle.made(new, replaying)
            if hooks and self._is_strict(desk):
                self._moved(desk, new, what)
        if hooks and result.code != 0 and is_refused(result):
            self.figures["commits refused"] += 1
            head = desk.repo.head
            tree = desk.repo.must("write-tree")
            bases = (head, merging) if merging else (head,)
            why = (
                []
                if proposed
                else self.oracle.judge(desk.agent, bases, tree, replaying, is_new=is_new)
            )
            if not why and self._is_strict(desk):
                why = self._not_to_be_moved(desk, proposed, head, tree)
                self.figures["moves refused"] += 1
            if not why:
                self._differs("refused without a reason", what, [], result.err)
        return result

    def _is_strict(self, desk: Desk) -> bool:
        return self.settings.strict and desk in self.desks.values()

    def _home(self, desk: Desk) -> Path:
        """The repository to which a worktree belongs."""
        own = desk.path.name in ("clone", AGENTS[-1])
        return desk.path if own else self.desks[INTEGRATOR].path

    def _moved(self, desk: Desk, oid: str, what: str) -> None:
        """Compare that strict hooks let a branch come to a new commit."""
        self.oracle.timed = {oid}
        why = self.oracle.refused(desk.agent, oid)
        if is_to_be_refused(why):
            self._differs("let through", what, why, "")
        self.oracle.enter(desk.agent, oid)

    def _not_to_be_moved(self, desk: Desk, proposed: str, head: str, tree: str) -> list[Reason]:
        """Why strict hooks may refuse the commit that is proposed, or that HEAD is amended to."""
        if not proposed:
            self.oracle.note(desk.agent, (head,), tree)
            self.oracle.look([head])
            proposed = self.objects.imagine(self.objects.commit(head).parents, tree)
        self.oracle.look([proposed])
        self.oracle.timed = {proposed}
        return self.oracle.refused(desk.agent, proposed)

    def commit_with_editor(self, desk: Desk, while_open: Callable[[], object]) -> None:
        """Commit what is staged, and do something else while the editor is open."""
        opened, closed = self.folder / "opened", self.folder / "closed"
        for path in (opened, closed):
            path.unlink(missing_ok=True)
        editor = f"sh -c 'echo x >$1; : >{opened}; while ! [ -e {closed} ]; do sleep 0.02; done' -"
        head, tree = desk.repo.head, desk.repo.must("write-tree")
        self.tell(desk, "git commit (its editor is open)")
        what = self.told[-1]
        with subprocess.Popen(
            ("git", "commit", "-q"),
            cwd=desk.path,
            env={**os.environ, "AGENTLOCK_AGENT": desk.agent, "GIT_EDITOR": editor},
            stderr=subprocess.PIPE,
        ) as process:
            while process.poll() is None and not opened.exists():
                time.sleep(0.01)
            if opened.exists():
                self._passed(desk, (head,), tree, (), what)
                while_open()
                closed.touch()
            _, said = process.communicate()
        if process.returncode == 0:
            self.known.add(desk.repo.head)
            self._made_in[desk.repo.head] = self._home(desk)
            self.oracle.made(desk.repo.head)
        elif b"refused" in said and not self.oracle.judge(desk.agent, (head,), tree):
            self._differs("refused without a reason", what, [], said.decode())

    def _passed(
        self, desk: Desk, bases: tuple[str, ...], tree: str, replaying: Sequence[str], what: str
    ) -> None:
        self.figures["commits"] += 1
        why = self.oracle.judge(desk.agent, bases or ("",), tree, replaying)
        if why:
            self._differs("let through", what, why, "")
        self.oracle.note(desk.agent, bases, tree)

    def push(
        self,
        desk: Desk,
        refs: Mapping[str, str],
        *options: str,
        hooks: bool = True,
        remote: str = "origin",
    ) -> None:
        """Push commits to refs of a remote ("" deletes one)."""
        place = self.place(remote)
        gate = self.settings.gate and place == self.server
        branches, have = self.branches(place), refs_of(place, "refs/")
        updates = [
            Update(ref, have.get(ref, ""), new)
            for ref, new in refs.items()
            if have.get(ref, "") != new
        ]
        asked = (hooks and self.settings.hooks) or gate
        elsewhere = None if gate else self._elsewhere(desk, place)
        lacking = _lacking(desk, {one.old for one in updates if one.old})
        unknown = lacking if hooks and asked else set()
        specs = [f"{new}:{ref}" for ref, new in refs.items()]
        quiet = ("-q",) if hooks else ("-q", "--no-verify")
        result = self._push(desk, refs, ("push", *quiet, *options, remote, *specs))
        refused = is_refused(result)
        if not refused and result.code != 0:
            # What git itself refuses, such as what is no fast-forward, is nobody's mistake. The
            # hooks are told of the other refs, and of those that are at what the clone lacks.
            self.figures["refused by git itself"] += 1
            self.told[-1] += "   # refused by git itself"
            now = refs_of(place, "refs/")
            updates = [
                one for one in updates if now.get(one.ref, "") == one.new or one.old in unknown
            ]
        if asked and updates:
            home = self._home(desk)
            self.oracle.timed = {
                oid for oid, made in self._made_in.items() if hooks and made == home
            }
            why = self.oracle.push(
                *(desk.agent, updates, branches, elsewhere),
                drops_need_cover=gate,
                refused=refused,
            )
            self._judged(why, result)
            self.figures[f"pushes to {remote}"] += 1

    def _elsewhere(self, desk: Desk, place: Path) -> Elsewhere:
        """What the remote that a push does not go to has, as far as it is here."""
        other = self.place("origin" if place != self.server else "fork")
        branches = self.branches(other)
        lacking = _lacking(desk, set(branches.values()))
        default = {branches.get("refs/heads/main", "")} - lacking - {""}
        return Elsewhere(frozenset(set(branches.values()) - lacking), frozenset(default))

    def _push(self, desk: Desk, refs: Mapping[str, str], command: Sequence[str]) -> Result:
        if not self.settings.asks:
            return self.git(desk, *command)
        trace = self.folder / "trace"
        result = self.git(desk, *command, env={"GIT_TRACE2_EVENT": str(trace)})
        kind = "deleting" if "" in refs.values() else "forced" if "--force" in command else "other"
        kind += " pushes, refused" if is_refused(result) else " pushes"
        self.figures[f"{kind}: asked"] += questions_in(trace)
        self.figures[f"{kind}: all"] += 1
        return result

    def _judged(self, why: Sequence[Reason], result: Result) -> None:
        """Compare what came of a push with what the oracle says."""
        self.figures["pushes"] += 1
        said = self.told[-1]
        if is_refused(result):
            self.told[-1] += "   # refused"
            self.figures["pushes refused"] += 1
            if not why:
                self._differs("refused without a reason", said, [], result.err)
        elif is_to_be_refused(why):
            self._differs("let through", said, why, result.err)
        for one in why[:1] if is_refused(result) else ():
            self.figures[f"because: {one.rule}"] += 1


def _lacking(desk: Desk, oids: set[str]) -> set[str]:
    """Those of the commits that are not here."""
    asked = "".join(f"{oid}\n" for oid in sorted(oids))
    found = desk.repo.git("cat-file", "--batch-check", stdin=asked.encode()).out if asked else ""
    return {line.split()[0] for line in found.splitlines() if line.endswith(" missing")}
