"""Every way in which git makes a commit, moves a ref or pushes one, and what stands in its way.

The tests and the table in the documentation both read ``GROUPS``. The scripts are sh, run in a copy
of ``world.build``: ``$path`` is the path in question, ``$folder`` its folder; ``$change``,
``$rival`` and ``$elsewhere`` are commits on main that no ref names.
"""

from __future__ import annotations

from typing import NamedTuple

PUSH_HEAD = "git push -q fork HEAD:refs/heads/later"
PUSH_SIDE = "git push -q fork side:refs/heads/later"
# What a branch of one remote has is not judged on the way to another; the server there judges it.
PUSH_ON = "git push -q gated HEAD:refs/heads/later"
COMMIT_ALL = "git commit -q -a -m later"
PRINTED = "go back: "  # the command that the refusal prints after this


class Operation(NamedTuple):
    """One way, as it is tried with a path that is reserved by another and with one that is free.

    ``default`` and ``strict`` name the hook that stops it where the path is reserved, "" where it
    happens all the same. ``restore`` brings the former state back after a refusal that left
    something behind. ``later`` must be refused once it has happened, by the hook ``gate``; "" where
    nothing comes later. ``moves``: something is to be seen of it. ``since``: the git that knows it.
    ``stand_in``: what stops it from git 2.54 on, by a hook of the configuration. ``silent``: git
    keeps what the hook says to itself. ``needs``: a Python package that it is done with, or one of
    git's programs that not every git brings along.
    """

    name: str
    command: str
    prepare: str = ""
    default: str = ""
    strict: str = ""
    restore: str = ""
    later: str = PUSH_HEAD
    gate: str = "pre-push"
    moves: bool = True
    since: tuple[int, int] = (2, 0)
    stand_in: str = ""
    silent: bool = False
    needs: str = ""


class Group(NamedTuple):
    title: str
    operations: tuple[Operation, ...]


STAGED = 'echo mine >"$path"; git add --all\n'
EDITED = 'echo mine >"$path"\n'
SIDE = 'git branch side "$change"\n'
ON_SIDE = 'git checkout -q -b side "$change"\n'
AHEAD = 'git update-ref refs/heads/main "$elsewhere"\n'
AMENDED = f'git merge -q "$elsewhere"; {STAGED}'
# Both sides are upstream's own, so that only what settles the conflict is at stake.
BOTH_CHANGED = """\
git merge -q --ff-only "$change"
git branch side "$rival"
git push -q origin main side
git push -q fork main side
git fetch -q --all
"""
# A project of somebody else's, to be taken in below the folder of the path.
LIBRARY = """\
git update-index -q --refresh
git init -q ../library
echo theirs >../library/code.py
git -C ../library add --all
git -C ../library commit -q -m library
git fetch -q ../library main
"""
TAKEN_IN = f"""\
{LIBRARY}git subtree add -q --prefix="$folder/library" FETCH_HEAD
git push -q origin main
git push -q fork main
git fetch -q --all
echo newer >../library/code.py
git -C ../library commit -q -a -m newer
git fetch -q ../library main
"""
SETTLED = 'echo settled >"$path"; git add --all\n'
IN_SUBMODULE = """\
git submodule --quiet add ../fork.git sub
cd sub
unset GIT_CONFIG_COUNT
agentlock init --project sub $strict >../../told 2>&1
AGENTLOCK_AGENT=BlueLake agentlock reserve src/ >../../told
echo mine >"$path"
"""


def _stopped(
    name: str,
    command: str,
    prepare: str,
    hook: str,
    *,
    restore: str = "",
    later: str = PUSH_HEAD,
    needs: str = "",
) -> Operation:
    """An operation that the default hooks stop already."""
    return Operation(name, command, prepare, hook, hook, restore, later, needs=needs)


def _plumbing(
    name: str,
    command: str,
    prepare: str = "",
    *,
    restore: str = "",
    later: str = PUSH_HEAD,
    needs: str = "",
) -> Operation:
    """An operation that nothing but the last gate sees."""
    hook = "reference-transaction"
    return Operation(name, command, prepare, "", hook, restore, later, needs=needs)


def _conflict(command: str) -> str:
    """Comes to a conflict, and settles it."""
    return f"{BOTH_CHANGED}! {command}\n{SETTLED}"


COMMITS = Group(
    "Making a commit",
    (
        _stopped("commit", "git commit -q -m x", STAGED, "pre-commit"),
        _stopped("commit -a", "git commit -q -a -m x", EDITED, "pre-commit"),
        _stopped("commit -o PATH", 'git commit -q -m x -o "$path"', EDITED, "pre-commit"),
        _stopped("commit -i PATH", 'git commit -q -m x -i "$path"', EDITED, "pre-commit"),
        _stopped("commit --amend", "git commit -q --amend --no-edit", AMENDED, "pre-commit"),
        _plumbing(
            "commit --amend -m, of a commit that changed it",
            "git commit -q --amend -m words",
            ON_SIDE,
        ),
        _stopped("commit --no-verify", "git commit -q -n -m x", STAGED, "prepare-commit-msg"),
        _stopped(
            "commit in a linked worktree",
            "git -C ../linked commit -q -a -m x",
            'git worktree add -q -b linked ../linked; echo mine >"../linked/$path"',
            "pre-commit",
            later="git push -q fork linked:refs/heads/later",
        ),
        _stopped(
            "commit in a submodule where `init` has run",
            "git -C sub commit -q -a -m x",
            IN_SUBMODULE,
            "pre-commit",
            later="git -C sub push -q origin HEAD:refs/heads/later",
        ),
        _stopped(
            "commit of a submodule's new commit",
            "git commit -q -m bump",
            'git update-index --add --cacheinfo "160000,$change,$folder/lib"\n',
            "pre-commit",
        ),
        _stopped(
            "commit in a sparse checkout",
            "git commit -q -a -m x",
            f'git sparse-checkout set "$folder"\n{EDITED}',
            "pre-commit",
        ),
        _stopped(
            "commit that ends a conflict",
            "git commit -q --no-edit",
            _conflict("git merge -q side"),
            "pre-commit",
        ),
        _stopped(
            "merge --continue",
            "git merge --continue",
            _conflict("git merge -q side"),
            "pre-commit",
        ),
        _stopped(
            "cherry-pick --continue",
            "git cherry-pick --continue",
            _conflict("git cherry-pick side"),
            "pre-commit",
        ),
        _stopped(
            "merge that settles a conflict by itself (-X ours)",
            "git merge -q --no-edit -X ours side",
            BOTH_CHANGED,
            "pre-merge-commit",
            restore="git merge --abort",
        ),
        _stopped(
            "merge --no-verify -X ours",
            "git merge -q --no-edit --no-verify -X ours side",
            BOTH_CHANGED,
            "prepare-commit-msg",
            restore="git merge --abort",
        ),
        _stopped(
            "octopus merge that drops a side (-s ours)",
            "git merge -q --no-edit -s ours side elsewhere",
            f'{BOTH_CHANGED}git branch elsewhere "$elsewhere"\n',
            "pre-merge-commit",
            restore="git merge --abort",
        ),
        _stopped(
            "pull --no-rebase -X ours",
            "git pull -q --no-edit --no-rebase -X ours origin side",
            BOTH_CHANGED,
            "pre-merge-commit",
            restore="git merge --abort",
        ),
        _stopped(
            "commit after merge --squash",
            "git commit -q -m squashed",
            f"{SIDE}git merge -q --squash side",
            "pre-commit",
        ),
        _stopped(
            "subtree merge below a reserved folder",
            'git subtree merge -q --prefix="$folder/library" -m newer FETCH_HEAD',
            TAKEN_IN,
            "pre-merge-commit",
            restore="git merge --abort",
            needs="git-subtree",
        ),
        _stopped(
            "rebase",
            "git rebase -q main",
            AHEAD + ON_SIDE,
            "prepare-commit-msg",
            restore="git rebase --abort",
        ),
        _stopped(
            "rebase --no-verify",
            "git rebase -q --no-verify main",
            AHEAD + ON_SIDE,
            "prepare-commit-msg",
            restore="git rebase --abort",
        ),
        _stopped(
            "rebase -i, reword",
            "GIT_SEQUENCE_EDITOR='sed -i s/^pick/reword/' git rebase -q -i main",
            AHEAD + ON_SIDE,
            "prepare-commit-msg",
            restore="git rebase --abort",
        ),
        _stopped(
            "rebase --apply",
            "git rebase -q --apply main",
            AHEAD + ON_SIDE,
            "pre-applypatch",
            restore="git rebase --abort",
        ),
        _stopped(
            "pull --rebase",
            "git pull -q --rebase origin main",
            f"{AHEAD}git push -q origin main\n{ON_SIDE}",
            "prepare-commit-msg",
            restore="git rebase --abort",
        ),
        _stopped(
            "am",
            "git am -q ../x.patch",
            'git format-patch -q -1 --stdout "$change" >../x.patch',
            "pre-applypatch",
            restore="git am --abort",
        ),
        Operation(
            "am --no-verify (git 2.40)",
            "git am -q --no-verify ../x.patch",
            'git format-patch -q -1 --stdout "$change" >../x.patch',
            strict="reference-transaction",
            restore="git am --abort",
            since=(2, 40),
        ),
        _stopped(
            "cherry-pick",
            'git cherry-pick "$change"',
            f"{AHEAD}git reset -q --hard",
            "prepare-commit-msg",
            restore="git cherry-pick --abort",
        ),
        _stopped(
            "revert",
            "git revert --no-edit HEAD",
            'git merge -q --ff-only "$change"; git push -q --all fork; git push -q --all origin',
            "prepare-commit-msg",
            restore=PRINTED,
        ),
        _plumbing(
            "commit-tree, update-ref",
            'commit=$(git commit-tree -p main -m x "$change^{tree}")\n'
            'git update-ref refs/heads/side "$commit"',
            later=PUSH_SIDE,
        ),
        Operation(
            "replay (git 2.52)",
            "git replay --onto main main~1..side",
            f"{SIDE}{AHEAD}git reset -q --hard",
            strict="reference-transaction",
            later=PUSH_SIDE,
            since=(2, 52),
        ),
        _plumbing(
            "fast-import",
            "git fast-import --quiet <../stream",
            'git branch side "$change"; git fast-export side >../stream; git branch -q -D side',
            later=PUSH_SIDE,
        ),
        Operation(
            "filter-branch",
            "git filter-branch -f --tree-filter 'echo mine >\"$path\"' main~1..main >&2",
            f"{AHEAD}git reset -q --hard",
            strict="reference-transaction",
            silent=True,
        ),
    ),
)

MOVES = Group(
    "Moving a branch to commits that are new here",
    (
        _plumbing(
            "subtree add below a reserved folder",
            'git subtree add -q --prefix="$folder/library" FETCH_HEAD',
            LIBRARY,
            restore=PRINTED,
            needs="git-subtree",
        ),
        _plumbing("merge --ff-only COMMIT", 'git merge -q --ff-only "$change"', restore=PRINTED),
        _plumbing("cherry-pick --ff COMMIT", 'git cherry-pick --ff "$change"', restore=PRINTED),
        _plumbing("reset --hard COMMIT", 'git reset -q --hard "$change"', restore=PRINTED),
        _plumbing("branch NEW COMMIT", 'git branch side "$change"', later=PUSH_SIDE),
        _plumbing(
            "branch -f BRANCH COMMIT",
            'git branch -f side "$change"',
            "git branch side main",
            later=PUSH_SIDE,
        ),
        _plumbing(
            "checkout -B BRANCH COMMIT", 'git checkout -q -B side "$change"', restore=PRINTED
        ),
        _plumbing("update-ref", 'git update-ref refs/heads/side "$change"', later=PUSH_SIDE),
        _plumbing(
            "tag, then update-ref",
            "git update-ref refs/heads/side x",
            'git tag x "$change"',
            later=PUSH_SIDE,
        ),
        Operation(
            "a ref below refs/remotes, then merge --ff-only",
            "git merge -q --ff-only refs/remotes/gated/x",
            'git update-ref refs/remotes/gated/x "$change"',
            later="git push -q gated main",
        ),
    ),
)

ORDINARY = Group(
    "Making no commit",
    (
        Operation("merge or pull, fast-forward to a branch", "git merge -q side", SIDE),
        Operation(
            "pull, fast-forward",
            "git pull -q --ff-only origin main",
            'git push -q origin "$change:refs/heads/main"',
            later=PUSH_ON,
            gate="pre-receive",
        ),
        Operation("merge, clean", "git merge -q --no-ff --no-edit side", SIDE),
        Operation(
            "merge, octopus, clean",
            "git merge -q --no-edit side elsewhere",
            f'{SIDE}git branch elsewhere "$elsewhere"',
        ),
        Operation(
            "pull --no-rebase, clean",
            "git pull -q --no-edit --no-rebase origin main",
            f'git push -q origin "$change:refs/heads/main"\n{AHEAD}git reset -q --hard',
            later=PUSH_ON,
            gate="pre-receive",
        ),
        Operation(
            "merge --squash",
            "git merge -q --squash side",
            SIDE,
            later=COMMIT_ALL,
            gate="pre-commit",
        ),
        Operation(
            "cherry-pick --no-commit",
            'git cherry-pick -n "$change"',
            later=COMMIT_ALL,
            gate="pre-commit",
        ),
        Operation(
            "stash",
            "git stash -q",
            EDITED,
            later=f"git stash pop -q; {COMMIT_ALL}",
            gate="pre-commit",
        ),
        Operation("switch", "git switch -q side", SIDE),
        Operation("switch --detach COMMIT", 'git switch -q --detach "$change"'),
        Operation("symbolic-ref", "git symbolic-ref HEAD refs/heads/side", SIDE),
        Operation("reset --hard to a branch", "git reset -q --hard side", SIDE),
        Operation(
            "branch NEW, at a branch", "git branch new side", SIDE, later="git push -q fork new"
        ),
        Operation("branch -m", "git branch -m side new", SIDE, later="git push -q fork new"),
        Operation(
            "branch -D",
            "git branch -q -D side",
            SIDE,
            later='git push -q fork "$change:refs/heads/later"',
        ),
        Operation(
            "fetch",
            "git fetch -q origin",
            'git push -q ../remote.git "$change:refs/heads/side"',
            later="git push -q gated origin/side:refs/heads/later",
            gate="pre-receive",
        ),
        Operation(
            "fetch of a pull request into a branch",
            "git fetch -q origin refs/pull/1/head:side",
            'git push -q origin "$change:refs/pull/1/head"',
            later="git push -q origin side:refs/heads/later",
        ),
        Operation(
            "checkout FETCH_HEAD",
            "git checkout -q FETCH_HEAD",
            'git push -q origin "$change:refs/pull/1/head"; git fetch -q origin refs/pull/1/head',
        ),
        Operation(
            "worktree add",
            "git worktree add -q -b new ../linked side",
            SIDE,
            later="git push -q fork new",
        ),
        Operation(
            "worktree add --detach FETCH_HEAD",
            "git worktree add -q --detach ../linked FETCH_HEAD",
            'git push -q origin "$change:refs/pull/1/head"; git fetch -q origin refs/pull/1/head',
            later="git -C ../linked push -q fork HEAD:refs/heads/later",
        ),
        Operation("gc", "git gc -q", SIDE, later=PUSH_SIDE, moves=False),
        Operation("pack-refs", "git pack-refs --all", SIDE, later=PUSH_SIDE, moves=False),
        Operation(
            "rebase --abort",
            "git rebase --abort",
            f"{BOTH_CHANGED}git checkout -q side; ! git rebase main",
            later=f'echo mine >"$path"; {COMMIT_ALL}',
            gate="pre-commit",
        ),
    ),
)

PUSHES = Group(
    "Pushing",
    (
        _stopped("push", "git push -q origin main", 'git merge -q "$change"', "pre-push"),
        _stopped("push of a new branch", "git push -q origin side", SIDE, "pre-push"),
        _stopped(
            "push of several refs",
            "git push -q origin main elsewhere side",
            f'{SIDE}git branch elsewhere "$elsewhere"',
            "pre-push",
        ),
        _stopped(
            "push of a tag", "git push -q origin x", 'git tag -a -m x x "$change"', "pre-push"
        ),
        _stopped(
            "push by URL", "git push -q ../remote.git main", 'git merge -q "$change"', "pre-push"
        ),
        _stopped(
            "push --force that drops it",
            "git push -q --force origin main",
            'git push -q origin "$change:refs/heads/main"; git fetch -q origin',
            "pre-push",
        ),
        _stopped(
            "push to main of what another branch there has",
            "git push -q origin side:main",
            f"{SIDE}git push -q origin side",
            "pre-push",
        ),
        _stopped(
            "push to a fork of what only a branch here has",
            "git push -q fork side",
            SIDE,
            "pre-push",
        ),
        _stopped(
            "push from a bare clone's worktree",
            "cd ../aside; git push -q origin HEAD:refs/heads/new",
            'git clone -q --bare . ../hub; cd ../hub; git worktree add -q ../aside "$change"\n'
            "unset GIT_CONFIG_COUNT; database=$(cd ../repo/.git/agentlock; pwd)/agentlock.sqlite3\n"
            'cd ../aside; agentlock init --database "$database" --project same >../told 2>&1\n'
            "git remote set-url origin ../remote.git",
            "pre-push",
        ),
        _stopped(
            "push into a repository with a worktree",
            "cd ../clone; git push -q ../repo HEAD:refs/heads/new",
            'git branch x "$change"; git clone -q -b x . ../clone; git branch -q -D x',
            "pre-receive",
        ),
        Operation(
            "push --dry-run",
            "git push -q --dry-run origin side",
            SIDE,
            "pre-push",
            "pre-push",
            moves=False,
        ),
        Operation(
            "push, up to date", "git push -q origin main", SIDE, later=PUSH_SIDE, moves=False
        ),
        _stopped(
            "push --delete of what no other branch there has",
            "git push -q origin --delete side",
            f"{SIDE}git push -q origin side",
            "pre-push",
            later=PUSH_SIDE,
        ),
        Operation(
            "push --delete of what another branch there has",
            "git push -q origin --delete side",
            f"{SIDE}git push -q origin side side:refs/heads/too",
            later="git push -q gated side",
            gate="pre-receive",
        ),
    ),
)

ROUND = Group(
    "Going round the hooks",
    (
        Operation(
            "commit with core.hooksPath=/dev/null",
            "git -c core.hooksPath=/dev/null commit -q -m x",
            STAGED,
            stand_in="prepare-commit-msg",
        ),
        Operation(
            "commit where GIT_CONFIG_COUNT sets core.hooksPath, as in Gemini CLI's shell tool",
            "GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=core.hooksPath GIT_CONFIG_VALUE_0= "
            "git commit -q -m x",
            STAGED,
            stand_in="prepare-commit-msg",
        ),
        Operation(
            "commit in a container of its own",
            "unshare --pid --fork --kill-child git commit -q -m x",
            STAGED,
            "pre-commit",
            "pre-commit",
        ),
        Operation("commit with every hook switched off", "git $off commit -q -m x", STAGED),
        Operation(
            "writing files below .git/refs",
            'echo "$change" >.git/refs/heads/side',
            later=PUSH_SIDE,
        ),
        Operation(
            "push --no-verify",
            "git push -q --no-verify origin side",
            SIDE,
            later="git push -q --no-verify gated side",
            gate="pre-receive",
        ),
        Operation(
            "push with core.hooksPath=/dev/null",
            "git -c core.hooksPath=/dev/null push -q origin side",
            SIDE,
            later="git $off push -q gated side",
            gate="pre-receive",
            stand_in="pre-push",
        ),
        Operation(
            "push with every hook switched off",
            "git $off push -q origin side",
            SIDE,
            later="git $off push -q gated side",
            gate="pre-receive",
        ),
        Operation(
            "send-pack",
            "git send-pack ../remote.git side",
            SIDE,
            later="git send-pack ../gated.git side",
            gate="pre-receive",
        ),
        Operation(
            "a bundle fetched into the server, there",
            "git -C ../gated.git fetch -q ../bundle side:side",
            f"{SIDE}git bundle create -q ../bundle side",
            later="",
        ),
    ),
)

LIBGIT2 = """\
import os, pygit2
repo = pygit2.Repository(".")
repo.index.add(os.environ["path"])
repo.index.write()
who = pygit2.Signature("A U Thor", "author@example.invalid")
repo.create_commit("HEAD", who, who, "x", repo.index.write_tree(), [repo.head.target])
"""
DULWICH = """\
import os
from dulwich import porcelain
porcelain.add(".", paths=[os.environ["path"]])
porcelain.commit(".", message=b"x", author=b"A <a@b>", committer=b"A <a@b>", no_verify=True)
"""
# As the framework runs the hooks of a repository that is named in its configuration.
FRAMEWORK = """\
agentlock hooks uninstall >../told
unset GIT_CONFIG_COUNT
cat >.pre-commit-config.yaml <<END
repos:
- repo: local
  hooks:
  - {id: agentlock, name: agentlock, language: system, always_run: true, pass_filenames: false,
     require_serial: true, entry: '"$python" -m agentlock hook pre-commit --framework'}
  - {id: agentlock-pre-push, name: agentlock-pre-push, language: system, always_run: true,
     pass_filenames: false, stages: [pre-push],
     entry: '"$python" -m agentlock hook pre-push --framework'}
END
"$python" -m pre_commit install -t pre-commit -t pre-push >../told
git add .pre-commit-config.yaml
echo mine >"$path"
"""

ROADS = Group(
    "Roads that no hook of a clone sees",
    (
        Operation(
            "libgit2 (pygit2)",
            f"\"$python\" -c '{LIBGIT2}'",
            EDITED,
            needs="pygit2",
        ),
        Operation(
            "dulwich, without its hooks",
            f"\"$python\" -c '{DULWICH}' >&2",
            EDITED,
            needs="dulwich",
        ),
        Operation(
            "a clone in which nobody ran `agentlock init`",
            "git -C ../clone commit -q -a -m x",
            'git clone -q ../gated.git ../clone; echo mine >"../clone/$path"',
            later="git -C ../clone push -q origin main",
            gate="pre-receive",
            moves=False,
        ),
        Operation(
            "SKIP=agentlock, where only the pre-commit framework runs it",
            "SKIP=agentlock git commit -q -a -m x",
            FRAMEWORK,
            needs="pre_commit",
        ),
    ),
)

GROUPS = (COMMITS, MOVES, ORDINARY, PUSHES, ROUND, ROADS)
