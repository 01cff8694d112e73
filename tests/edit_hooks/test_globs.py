"""The files that a pattern of a shell command finds."""

from __future__ import annotations

import os
import time
from glob import glob
from typing import TYPE_CHECKING

import pytest
from edit_hooks.test_denying import is_silent, why
from edit_hooks.test_shell import shell

from agentlock.edit_hooks.globs import EndlessError, expand, fixed_folder
from agentlock.edit_hooks.shell import effects_of

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from support import Repo

FOREVER = float("inf")
PATTERNS = (
    *("*", "*.py", "?.py", "[ab].py", "[!a].py", ".*", "src/*", "src/*.py", "*/*.py", "*/", "s*/"),
    *("**/*.py", "src/.*", "*/sub/*", "nothing*", "none/*", "*/none", "a.py/*", "src//*.py"),
    *("link/*", "broken*", "l*k/*.py", "[", "[a", "src/[", "*/../*.py", "./*.py", "../*/*.py"),
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for name in ("a.py", "b.py", "c.txt", ".hidden.py", "src/x.py", "src/sub/y.py", "src/.z.py"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (root / "link").symlink_to("src")
    (root / "broken").symlink_to("nowhere")
    return root


def test_a_pattern_finds_what_the_library_finds(tree: Path) -> None:
    for pattern in PATTERNS:
        for each in (pattern, f"{tree}/{pattern}"):
            found = expand(each, str(tree), FOREVER)
            expected = sorted(glob(each, root_dir=tree))
            assert [os.path.normpath(one) for one in found] == [
                os.path.normpath(one) for one in expected
            ], each


@pytest.mark.parametrize("pattern", ["\0*", "*/\0", "\udcff*", "*\ud800", "a\0/*"])
def test_a_name_that_no_file_can_have_finds_nothing(tree: Path, pattern: str) -> None:
    assert expand(pattern, str(tree), FOREVER) == []


def test_a_pattern_that_takes_too_long_is_named_by_its_folder(tree: Path) -> None:
    with pytest.raises(EndlessError):
        expand("*/*.py", str(tree), time.monotonic() - 1)
    assert fixed_folder("*/*.py", "/here") == "/here/"
    assert fixed_folder("src/sub*/x", "/here") == "/here/src/"
    assert fixed_folder("/*/x", "/here") == "/"
    effects = effects_of("cd src && rm sub/*.py; touch a.py", str(tree), 0)
    assert effects.endless == (f"{tree}/src/sub/",)
    assert effects.writes == (f"{tree}/src/sub/*.py", f"{tree}/src/a.py")


def test_only_a_command_that_may_write_is_told_which_files_a_pattern_finds(tree: Path) -> None:
    assert effects_of("ls */*.py > a.py; grep x **/*", str(tree), 0).endless == ()


def test_an_endless_pattern_is_denied_where_something_may_be_held_and_only_there(
    repo: Repo, new_repo: Any
) -> None:
    plain = new_repo("plain")
    for folder in (repo.path, plain.path):
        for name in "abcd":
            (folder / name).symlink_to(".")
    line = f"rm {'*/' * 30}x"
    assert "leads to more files than can be looked at" in why(shell(line, cwd=repo.path))
    assert is_silent(shell(line, cwd=plain.path))
    assert "leads to more" in why(shell(f"cd {repo.path} && {line}", cwd=plain.path))
