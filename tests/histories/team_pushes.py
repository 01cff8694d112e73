"""What the agents of a team push, to the server and to a fork, as chance will have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

    from histories.team import Team
    from histories.team_desks import Desk

MAIN = "refs/heads/main"


class Pushing:
    """What has to do with remotes; ``chance`` decides."""

    def __init__(self, team: Team, chance: random.Random) -> None:
        self.team = team
        self.chance = chance
        self.count = 0  # of the things that were done

    def _any_tip(self) -> str:
        tips = [tip for tip in self.team.branches().values() if not self._foreign(tip)]
        return self.chance.choice(sorted(tips))

    def _foreign(self, tip: str) -> bool:
        return self.team.oracle.is_foreign(tip)

    def fetch(self, desk: Desk) -> None:
        self._fetch(desk)

    def _fetch(self, desk: Desk) -> None:
        self.team.git(desk, "fetch", "-q", "--prune", "origin")

    def push(self, desk: Desk) -> None:
        """Push one's own branch, or a second one."""
        name = (
            desk.agent
            if self.chance.random() < 0.6
            else f"{desk.agent}-{self.chance.randint(1, 2)}"
        )
        forced = ("--force",) if self.chance.random() < 0.3 else ()
        self._push(desk, {f"refs/heads/{name}": desk.repo.head}, *forced)

    def push_main(self, desk: Desk) -> None:
        self._fetch(desk)
        refs = {MAIN: desk.repo.head}
        if self.chance.random() < 0.2:
            refs[f"refs/heads/{desk.agent}"] = desk.repo.head
        self._push(desk, refs)

    def _push(
        self, desk: Desk, refs: dict[str, str], *options: str, remote: str = "origin"
    ) -> None:
        branches = self.team.branches(self.team.place(remote))
        if set(refs.values()) <= set(branches.values()) and self.chance.random() < 0.6:
            return  # it would bring nothing
        judged = self.team.settings.gate and remote == "origin"
        hooks = not judged or self.chance.random() > 0.1
        if self.team.oracle.is_any_void(refs.values()):
            hooks = True  # only the clone where it was made knows when that was
        self.team.push(desk, refs, *options, hooks=hooks, remote=remote)

    def force(self, desk: Desk) -> None:
        """Push over any branch: mostly one's own."""
        if self.chance.random() < 0.8:
            self._fetch(desk)
        names = sorted(self.team.branches())
        own = [name for name in names if desk.agent in name]
        name = self.chance.choice(own if own and self.chance.random() < 0.7 else names)
        self._push(desk, {name: desk.repo.head}, "--force")

    def delete(self, desk: Desk) -> None:
        names = sorted(name for name in self.team.branches() if name != MAIN)
        if names:
            self._fetch(desk)
            refs = {self.chance.choice(names): ""}
            if self.chance.random() < 0.3:
                refs[f"refs/heads/{desk.agent}-1"] = desk.repo.head
            self._push(desk, refs)

    def fork(self, desk: Desk) -> None:
        """Push to a fork, which has no gate, or take what others have put there."""
        if self.chance.random() < 0.3:
            self.team.git(desk, "fetch", "-q", "--prune", "fork")
            names = sorted(self.team.branches(self.team.place("fork")))
            tip = f"fork/{self.chance.choice(names).removeprefix('refs/heads/')}"
            self.team.move(desk, "reset", "-q", "--hard", tip)
            return
        name = self.chance.choice((desk.agent, f"{desk.agent}-2", "main"))
        forced = ("--force",) if self.chance.random() < 0.6 else ()
        self._push(desk, {f"refs/heads/{name}": desk.repo.head}, *forced, remote="fork")

    def delete_there(self, desk: Desk) -> None:
        """Delete a branch of the fork."""
        names = sorted(name for name in self.team.branches(self.team.place("fork")) if name != MAIN)
        if names:
            self._push(desk, {self.chance.choice(names): ""}, remote="fork")

    def tag(self, desk: Desk) -> None:
        self._push(desk, {f"refs/tags/v{self.count}": desk.repo.head})

    def notes(self, desk: Desk) -> None:
        """Say something about a commit in git's notes, and push them."""
        self.team.git(desk, "notes", "add", "-f", "-m", f"{self.count}", "HEAD")
        tip = desk.repo.must("rev-parse", "refs/notes/commits")
        self._push(desk, {"refs/notes/commits": tip}, "--force")

    def pages(self, desk: Desk) -> None:
        """Push a branch that has nothing to do with the project's history."""
        name = "refs/heads/gh-pages"
        old = self.team.branches().get(name, "")
        tree = desk.repo.must("rev-parse", "HEAD^{tree}")
        words = ("commit-tree", "-m", f"pages {self.count}", *(("-p", old) if old else ()), tree)
        if old:
            self._fetch(desk)
        self._push(desk, {name: desk.repo.must(*words)})
