"""What the agents of a team do, one thing after another, as chance will have it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from histories.team_desks import PATTERNS
from histories.team_place import AGENTS, FILES, INTEGRATOR, LINES, SUBTREE
from histories.team_pushes import MAIN, Pushing
from support import Repo
from support.glob_oracle import seeded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from histories.team import Team
    from histories.team_desks import Desk

_EDITOR = {"GIT_EDITOR": "true", "GIT_SEQUENCE_EDITOR": "true"}


# What is done how often: the names are those of methods of Work.
WEIGHTS = {
    "reserve": 8,
    "release": 4,
    "expire": 2,
    "commit": 24,
    "sneak": 2,
    "amend": 3,
    "reword": 1,
    "editor": 2,
    "fixup": 2,
    "merge": 3,
    "rebase": 4,
    "pick": 4,
    "revert": 2,
    "squash": 2,
    "soft": 1,
    "reorder": 2,
    "mail": 1,
    "integrate": 3,
    "subtree": 1,
    "elsewhere": 1,
    "anew": 3,
    "fetch": 1,
    "push": 40,
    "push_main": 10,
    "force": 14,
    "delete": 7,
    "tag": 1,
    "notes": 1,
    "pages": 1,
    "fork": 6,
    "delete_there": 1,
    "plumbing": 2,
}
# Here more is reserved, and more is done behind the guard's back.
CROWDED = {**WEIGHTS, "reserve": 24, "sneak": 12, "force": 24, "push_main": 16}


class Work(Pushing):
    """One history: a team, and the chance that decides what it does next, and how often what."""

    def __init__(self, team: Team, seed: int, weights: Mapping[str, int] = WEIGHTS) -> None:
        super().__init__(team, seeded(seed))
        self._doings, self._weights = list(weights), list(weights.values())

    def step(self) -> str:
        """Let somebody do something; its name."""
        self.count += 1
        (name,) = self.chance.choices(self._doings, self._weights)
        desk = self.team.desks[self.chance.choice(AGENTS)]
        getattr(self, name)(desk)
        return name

    # Leases

    def reserve(self, desk: Desk) -> None:
        self.team.reserve(desk, self.chance.choice(PATTERNS))

    def release(self, desk: Desk) -> None:
        self.team.release(desk)

    def expire(self, desk: Desk) -> None:
        self.team.expire(desk)

    # Commits

    def edit(self, desk: Desk, most: int = 2) -> None:
        """Change a line of one file or two, and stage that."""
        for name in self.chance.sample(FILES, self.chance.randint(1, most)):
            path = desk.path / name
            if self.team.settings.cover and self.chance.random() < 0.8:
                self.team.reserve(desk, f"{name.partition('/')[0]}/")
            if self.chance.random() < 0.1 and path.exists():
                self._move(desk, name)
                continue
            lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
            lines += [f"{name} again {self.count}"] * max(0, LINES // 2 - len(lines))
            lines[self.chance.randrange(len(lines))] = f"{desk.agent} {self.count}"
            path.parent.mkdir(exist_ok=True)
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        desk.repo.must("add", "--all")

    def _move(self, desk: Desk, name: str) -> None:
        """Move a file to a new name beside it, or remove it."""
        if self.chance.random() < 0.5:
            folder, _, last = name.partition("/")
            desk.repo.must("mv", "-f", name, f"{folder}/moved-{last}")
        else:
            (desk.path / name).unlink()

    def _tidy(self, desk: Desk, what: str = "") -> None:
        """Leave nothing half done in a worktree, where ``what`` may be under way."""
        if what:
            desk.repo.git(what, "--abort")
        desk.repo.must("reset", "-q", "--hard")

    def commit(self, desk: Desk, *options: str, hooks: bool = True) -> bool:
        self.edit(desk)
        words = ("commit", "-q", "-m", f"{self.count}", *options)
        done = self.team.commit(desk, *words, hooks=hooks)
        if done.code != 0:
            self._tidy(desk)
        return done.code == 0

    def sneak(self, desk: Desk) -> None:
        self.commit(desk, hooks=False)

    def plumbing(self, desk: Desk) -> None:
        """Make a commit as no hook sees it, and let the branch come to it."""
        self.edit(desk)
        tree = desk.repo.must("write-tree")
        made = desk.repo.must("commit-tree", "-p", "HEAD", "-m", f"made {self.count}", tree)
        self._tidy(desk)
        way = self.chance.choice((("merge", "-q", "--ff-only"), ("reset", "-q", "--hard")))
        self.team.commit(desk, *way, made, gated=False, proposed=made)
        self._tidy(desk)

    def amend(self, desk: Desk) -> None:
        if self._own(desk):
            self.commit(desk, "--amend", hooks=self.chance.random() > 0.1)

    def reword(self, desk: Desk) -> None:
        if self._own(desk):
            self.team.commit(desk, "commit", "-q", "--amend", "-m", f"words {self.count}")

    def editor(self, desk: Desk) -> None:
        """Commit, and let another agent reserve something while the editor is open."""
        other = self.team.desks[self.chance.choice([one for one in AGENTS if one != desk.agent])]
        pattern, long = self.chance.choice(PATTERNS), self.chance.random() < 0.3

        def meanwhile() -> None:
            time.sleep(1.1 if long else 0)  # git's time of a commit is to the second
            self.team.reserve(other, pattern)

        self.edit(desk)
        self.team.commit_with_editor(desk, meanwhile)
        self._tidy(desk)

    def fixup(self, desk: Desk) -> None:
        own = self._own(desk)
        if not own:
            return
        self.edit(desk, most=1)
        of = self.chance.choice(own)
        kind = self.chance.choice(("--fixup", "--squash"))
        done = self.team.commit(desk, "commit", "-q", f"{kind}={of}", env=_EDITOR)
        if done.code == 0 and self.chance.random() < 0.8:
            self._rebase(desk, "-i", "--autosquash", f"{own[-1]}~")
        else:
            self._tidy(desk)

    def _own(self, desk: Desk) -> list[str]:
        """The commits of a worktree that main does not have, the newest first; no merges."""
        asked = ("rev-list", "--no-merges", "--first-parent", "-n6", "HEAD", "^origin/main")
        own = desk.repo.must(*asked).split()
        merges = desk.repo.must("rev-list", "--merges", "HEAD", "^origin/main")
        return [] if merges else own

    # Histories

    def _conflict(self, desk: Desk, what: str, *, replaying: list[str], merging: str) -> None:
        """What stopped: settle it, or give it up."""
        unmerged = desk.repo.must("diff", "--name-only", "--diff-filter=U").split()
        for _ in range(4):
            if not unmerged or self.chance.random() < 0.4:
                break
            for name in unmerged:
                side = self.chance.choice(("--ours", "--theirs"))
                desk.repo.git("checkout", "-q", side, "--", name)
                if self.chance.random() < 0.5:
                    path = desk.path / name
                    text = path.read_text(encoding="utf-8") if path.exists() else ""
                    path.write_text(f"{text}settled {self.count}\n", encoding="utf-8")
            desk.repo.must("add", "--all")
            args = (what, "--continue")
            done = self.team.commit(desk, *args, replaying=replaying, merging=merging, env=_EDITOR)
            if done.code == 0:
                return
            unmerged = desk.repo.must("diff", "--name-only", "--diff-filter=U").split()
        self._tidy(desk, what)

    def merge(self, desk: Desk) -> None:
        self._fetch(desk)
        tip = self._any_tip()
        done = self.team.commit(desk, "merge", "-q", "-m", "merge", tip, merging=tip)
        if done.code != 0:
            self._conflict(desk, "merge", replaying=[], merging=tip)

    def rebase(self, desk: Desk) -> None:
        self._fetch(desk)
        self._rebase(desk, "origin/main")

    def _rebase(self, desk: Desk, *arguments: str, **env: str) -> None:
        onto = arguments[-1]
        replaying = desk.repo.must("rev-list", "--no-merges", "HEAD", f"^{onto}").split()
        words = ("rebase", "-q", *arguments)
        done = self.team.commit(desk, *words, replaying=replaying, env={**_EDITOR, **env})
        if done.code != 0:
            self._conflict(desk, "rebase", replaying=replaying, merging="")

    def _any_commit(self, desk: Desk) -> str:
        revisions = desk.repo.must("rev-list", "--no-merges", "-n15", "--all", "^HEAD").split()
        revisions = [oid for oid in revisions if not self._foreign(oid)]
        return self.chance.choice(revisions) if revisions else ""

    def pick(self, desk: Desk) -> None:
        self._fetch(desk)
        oid = self._any_commit(desk)
        if not oid:
            return
        done = self.team.commit(desk, "cherry-pick", oid, replaying=[oid])
        if done.code != 0:
            self._conflict(desk, "cherry-pick", replaying=[oid], merging="")

    def revert(self, desk: Desk) -> None:
        own = desk.repo.must("rev-list", "--no-merges", "-n8", "HEAD").split()[:-1]
        if not own:
            return
        done = self.team.commit(desk, "revert", "--no-edit", self.chance.choice(own))
        if done.code != 0:
            self._conflict(desk, "revert", replaying=[], merging="")

    def squash(self, desk: Desk) -> None:
        self._fetch(desk)
        done = desk.repo.git("merge", "-q", "--squash", self._any_tip())
        if done.code == 0:
            self.team.commit(desk, "commit", "-q", "-m", f"squashed {self.count}", is_new=True)
        self._tidy(desk)

    def soft(self, desk: Desk) -> None:
        """Make one commit of several."""
        own = self._own(desk)
        if len(own) < 2:
            return
        head = desk.repo.head
        desk.repo.must("reset", "-q", "--soft", f"{own[-1]}~")
        done = self.team.commit(desk, "commit", "-q", "-m", f"together {self.count}")
        if done.code != 0:
            desk.repo.must("reset", "-q", "--hard", head)

    def reorder(self, desk: Desk) -> None:
        """Turn the order of one's last commits around, so that their context drifts."""
        own = self._own(desk)
        if len(own) > 1:
            turn = {"GIT_SEQUENCE_EDITOR": "sed -i -n '/^pick/{1!G;h;$p};/^pick/!{x;p;q}'"}
            self._rebase(desk, "-i", f"{own[-1]}~", **turn)

    def mail(self, desk: Desk) -> None:
        """Apply a commit that somebody has sent by mail."""
        self._fetch(desk)
        oid = self._any_commit(desk)
        if not oid:
            return
        patch = self.team.folder / "patch"
        patch.write_text(desk.repo.must("format-patch", "-1", "--stdout", oid) + "\n")
        done = self.team.commit(desk, "am", "-q", "-3", str(patch), replaying=[oid], is_new=True)
        if done.code != 0:
            self._tidy(desk, "am")

    def integrate(self, desk: Desk) -> None:
        """Merge a branch into main, and push that."""
        desk = self.team.desks[INTEGRATOR]
        self._fetch(desk)
        self.team.move(desk, "reset", "-q", "--hard", "origin/main")
        tip = self._any_tip()
        done = self.team.commit(desk, "merge", "-q", "--no-ff", "-m", "merge", tip, merging=tip)
        if done.code == 0:
            self._push(desk, {MAIN: desk.repo.head})
        else:
            self._conflict(desk, "merge", replaying=[], merging=tip)

    def subtree(self, desk: Desk) -> None:
        """Take in a library, or what is new in it."""
        library = Repo(self.team.folder / "library")
        verb = "merge" if (desk.path / SUBTREE).exists() else "add"
        if verb == "merge":
            library.write("src/a.py", f"of the library {self.count}\n")
            library.commit_unguarded("library")
        self.team.git(desk, "fetch", "-q", str(library.path), "main")
        words = ("subtree", verb, "-q", f"--prefix={SUBTREE}", "-m", "subtree", "FETCH_HEAD")
        tip = library.head
        done = self.team.commit(desk, *words, merging=tip, gated=verb == "merge")
        if done.code != 0:
            self._tidy(desk, "merge")

    def elsewhere(self, desk: Desk) -> None:
        """Work in a clone that has not all of the history, and push from there."""
        options = self.chance.choice(
            (("--depth=2",), ("--filter=tree:0",), ("--filter=blob:none",))
        )
        there = self.team.clone(desk, *options)
        for _ in range(2):
            if self.commit(there, hooks=self.chance.random() < 0.8):
                name = f"refs/heads/{desk.agent}-{self.chance.randint(1, 2)}"
                self._push(there, {self.chance.choice((name, MAIN)): there.repo.head}, "--force")

    def anew(self, desk: Desk) -> None:
        """Begin again at main, or at somebody's branch."""
        self._fetch(desk)
        tip = "origin/main" if self.chance.random() < 0.7 else self._any_tip()
        self.team.move(desk, "reset", "-q", "--hard", tip)
