"""No name that a path can have, and no setting of git's, changes the verdict."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import pytest
from operations.world import FREE, RESERVED, copied

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from operations.world import Mode, World

NAMES = {
    "newline": b"new\nline",
    "final newline": b"line\n",
    "tab": b"tab\there",
    "double quote": b'double"quote',
    "single quote": b"single'quote",
    "backslash": b"back\\slash",
    "leading dash": b"-rf",
    "leading colon": b":(top)x",
    "leading space": b" x",
    "trailing space": b"x ",
    "glob": b"[id]*?.py",
    "braces": b"{a,b}.py",
    "leading exclamation mark": b"!x",
    "escape sequence": b"\x1b[31mred",
    "not UTF-8": b"\xff\xfe",
    "half a character": b"\xc3",
    "emoji": "\N{PILE OF POO}\N{ZERO WIDTH JOINER}\N{SNOWMAN}".encode(),
    "combining": "e\N{COMBINING ACUTE ACCENT}".encode(),
    "4,000 bytes": b"/".join([b"d" * 199] * 20),
}
STAGE = """\
blob=$(echo mine | git hash-object -w --stdin)
git update-index --add --cacheinfo "100644,$blob,$path%s"
"""
CHANGED = 'echo mine >"$path"; git add --all\n'


class Setting(NamedTuple):
    """Something that could mislead: arranged before a commit, or between it and the push."""

    name: str
    before: str = CHANGED
    between: str = ""
    commit: str = "git commit -q -m x"


def _configured(*settings: str, change: str = CHANGED) -> Setting:
    lines = "".join(f"git config {one.replace('=', ' ')}\n" for one in settings)
    return Setting(", ".join(settings), lines + change)


RENAMED = 'git mv "$path" moved\n'
IN_A_FOLDER = "git -C elsewhere commit -q -m x"
SUBMODULE = """\
git rm -q "$path"
git update-index --add --cacheinfo "160000,$elsewhere,$path"
git commit -q -m "a submodule, by the holder"
git push -q fork main
git update-index --cacheinfo "160000,$rival,$path"
"""
HIDDEN = 'git config -f .gitmodules submodule.x.path "$path"\ngit config -f .gitmodules %s\n'
SETTINGS = (
    _configured("core.quotePath=false"),
    _configured("core.quotePath=true"),
    _configured("core.ignorecase=true"),
    _configured("core.precomposeunicode=true"),
    *(_configured(f"diff.renames={how}", change=RENAMED) for how in ("true", "false", "copies")),
    _configured("diff.ignoreSubmodules=all"),
    _configured("diff.ignoreSubmodules=all", "submodule.x.ignore=all", change=SUBMODULE)._replace(
        commit="git commit -q --allow-empty -m x"
    ),
    *(
        _configured(one)._replace(
            before=f"git config {one.replace('=', ' ')}\n{CHANGED}mkdir elsewhere\n",
            commit=IN_A_FOLDER,
        )
        for one in ("diff.relative=true", "status.relativePaths=true")
    ),
    *(
        _configured(one)
        for one in (
            "diff.noprefix=true",
            "diff.external=false",
            "diff.orderFile=/dev/null",
            "diff.suppressBlankEmpty=true",
            "diff.wsErrorHighlight=all",
            "status.showUntrackedFiles=no",
            "status.short=true",
            "color.ui=always",
            "core.pager=false",
            "log.showRoot=false",
            "log.showSignature=true",
            "log.diffMerges=off",
        )
    ),
    Setting(
        ".gitmodules that hides the submodule",
        SUBMODULE + HIDDEN % "submodule.x.ignore all",
    ),
    Setting(
        ".gitattributes with a filter",
        "git config filter.x.clean 'tr a-z A-Z'; git config filter.x.smudge 'tr A-Z a-z'\n"
        f'echo "$path filter=x diff=x -merge export-ignore" >.gitattributes\n{CHANGED}',
    ),
    Setting(
        ".gitattributes with a text conversion",
        "git config diff.x.textconv 'echo same #'; git config diff.x.command true\n"
        f"mkdir -p .git/info; echo '* diff=x -text' >.git/info/attributes\n{CHANGED}",
    ),
    Setting(
        "replace refs",
        'git read-tree "$change"; git replace main "$change"\n',
        'git replace -d main~1; git replace main "$elsewhere"\n',
        "git commit -q --allow-empty -m x",
    ),
    Setting(
        "grafts",
        between="git commit -q --allow-empty -m y; mkdir -p .git/info\n"
        'echo "$(git rev-parse HEAD) $(git rev-parse HEAD~2)" >.git/info/grafts\n',
    ),
)


def refused(world: World, command: str, hook: str) -> None:
    tried = world.attempt(command)
    assert tried.refused, tried
    assert tried.told
    assert tried.hook == hook
    assert "\x1b[" not in tried.result.err.replace("\x1b[K", "")


def passed(world: World, command: str) -> None:
    tried = world.attempt(command)
    assert tried.result.code == 0, tried


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_no_name_slips_through_a_commit_or_a_push(
    name: bytes, template: Callable[[Mode], Path]
) -> None:
    with copied(template("default"), os.fsdecode(name)) as world:
        world.prepare('AGENTLOCK_AGENT=BlueLake agentlock reserve --literal -- "$path" >../told')
        passed(world, f"{STAGE % '-'}git commit -q -m x; git push -q fork main")
        world.prepare(STAGE % "")
        refused(world, "git commit -q -m x", "pre-commit")
        world.prepare("git commit -q -m x")
        refused(world, "git push -q fork main", "pre-push")
        passed(world, "AGENTLOCK_AGENT=BlueLake git push -q fork main")


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_no_setting_of_git_changes_the_verdict(
    setting: Setting, template: Callable[[Mode], Path]
) -> None:
    with copied(template("default"), RESERVED) as world:
        world.prepare(setting.before)
        refused(world, setting.commit, "pre-commit")
        world.prepare(f"{setting.commit}\n{setting.between}")
        refused(world, "git push -q fork main", "pre-push")


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_no_setting_of_git_stops_what_is_free(
    setting: Setting, template: Callable[[Mode], Path]
) -> None:
    with copied(template("default"), FREE) as world:
        world.prepare(setting.before)
        passed(world, setting.commit)
        passed(world, "git push -q fork main")


@pytest.mark.parametrize(
    ("setting", "held", "touched"),
    [
        ("core.ignorecase", "Case.PY", "cASE.py"),
        (
            "core.precomposeunicode",
            "e\N{COMBINING ACUTE ACCENT}",
            "\N{LATIN SMALL LETTER E WITH ACUTE}",
        ),
    ],
)
def test_two_spellings_are_one_path_exactly_where_git_says_so(
    setting: str, held: str, touched: str, template: Callable[[Mode], Path]
) -> None:
    for value in ("true", "false"):
        with copied(template("default"), touched) as world:
            world.prepare(
                f"git config {setting} {value}\n"
                f"AGENTLOCK_AGENT=BlueLake agentlock reserve '{held}' >../told\n{STAGE % ''}"
            )
            if value == "false":
                passed(world, "git commit -q -m x; git push -q fork main")
                continue
            refused(world, "git commit -q -m x", "pre-commit")
            world.prepare("git commit -q -m x")
            refused(world, "git push -q fork main", "pre-push")
