"""`agentlock guide`: what it prints, what it writes into a file, and when `init` offers it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from support.terminal import in_a_terminal

from agentlock.cli.guide import GUIDE

if TYPE_CHECKING:
    from pathlib import Path

    from support import Repo

BEGIN, END = "<!-- agentlock:begin -->", "<!-- agentlock:end -->"


def test_the_guide_teaches_the_four_commands(repo: Repo) -> None:
    told = repo.agentlock("guide")
    assert told.out == GUIDE
    for word in ("agentlock reserve", "agentlock check", "agentlock renew", "agentlock release"):
        assert word in told.out


def write_guide(repo: Repo, file: Path, before: bytes | None) -> bytes:
    if before is not None:
        file.write_bytes(before)
    done = repo.agentlock("guide", "--write", str(file))
    assert done.code == 0, done
    return file.read_bytes()


BLOCK = f"{BEGIN}\n{GUIDE}{END}\n".encode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, BLOCK),
        (b"", BLOCK),
        (b"# Rules\n", b"# Rules\n\n" + BLOCK),
        (b"no newline", b"no newline\n\n" + BLOCK),
        (
            f"top\r\n\ttab  \n{BEGIN}\nold\n{END}\nbelow\r\n\r\nend".encode(),
            b"top\r\n\ttab  \n" + BLOCK + b"below\r\n\r\nend",
        ),
        (f"\ufeffü\n{BEGIN}{END}".encode(), "\ufeffü\n".encode() + BLOCK),
    ],
)
def test_the_guide_is_kept_between_its_markers_and_nothing_else_changes(
    repo: Repo, tmp_path: Path, before: bytes | None, after: bytes
) -> None:
    file = tmp_path / "AGENTS.md"
    assert write_guide(repo, file, before) == after
    assert write_guide(repo, file, None) == after
    assert sorted(os.listdir(tmp_path)) == ["AGENTS.md", "home", "repo"]


@pytest.mark.parametrize(
    "before",
    [
        f"{BEGIN}\nno end\n".encode(),
        f"{END}\n{BEGIN}\n".encode(),
        f"{BEGIN}{END}{BEGIN}{END}".encode(),
        b"\xff\xfe is no UTF-8",
    ],
)
def test_a_file_with_broken_markers_or_encoding_is_left_alone(
    repo: Repo, tmp_path: Path, before: bytes
) -> None:
    file = tmp_path / "AGENTS.md"
    file.write_bytes(before)
    done = repo.agentlock("guide", "--write", str(file))
    assert done.code == 2
    assert str(file) in done.err
    assert file.read_bytes() == before


def test_the_guide_keeps_a_files_mode_and_follows_a_symlink(repo: Repo, tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    real = folder / "rules.md"
    real.write_text("rules\n")
    real.chmod(0o640)
    link = tmp_path / "CLAUDE.md"
    link.symlink_to("shared/rules.md")
    write_guide(repo, link, None)
    assert link.is_symlink()
    assert real.read_bytes() == b"rules\n\n" + BLOCK
    assert real.stat().st_mode & 0o777 == 0o640


def test_a_guide_that_cannot_be_written_is_an_error_and_leaves_no_file(
    repo: Repo, tmp_path: Path
) -> None:
    done = repo.agentlock("guide", "--write", str(tmp_path / "none" / "AGENTS.md"))
    assert done.code == 2
    assert "cannot be written" in done.err
    done = repo.agentlock("guide", "--write", str(tmp_path))
    assert done.code == 2
    assert sorted(os.listdir(tmp_path)) == ["home", "repo"]


@pytest.mark.parametrize("answer", ["y", "n"])
def test_init_in_a_terminal_asks_whether_to_write_the_guide(repo: Repo, answer: str) -> None:
    code, shown = in_a_terminal(repo, "init", answers={"Write the guide": answer})
    assert code == 0, shown
    assert (repo.path / "AGENTS.md").exists() == (answer == "y")


def test_init_without_a_terminal_asks_nothing_and_names_the_command(repo: Repo) -> None:
    assert "agentlock guide --write AGENTS.md" in repo.agentlock("init").err
    assert not (repo.path / "AGENTS.md").exists()
