"""`agentlock guide`: what it prints, what it writes into a file, and when `init` offers it."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

import pytest
from support import AGENTLOCK, run
from support.terminal import in_a_terminal

from agentlock.cli.guide import GUIDE

if TYPE_CHECKING:
    from collections.abc import Callable
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
CRLF = BLOCK.replace(b"\n", b"\r\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, BLOCK),
        (b"", BLOCK),
        (b"# Rules\n", b"# Rules\n\n" + BLOCK),
        (b"no newline", b"no newline\n\n" + BLOCK),
        (
            f"top\r\n\ttab  \n{BEGIN}\nold\n{END}\nbelow\r\n\r\nend".encode(),
            b"top\r\n\ttab  \n" + CRLF + b"below\r\n\r\nend",
        ),
        (b"# Rules\r\n", b"# Rules\r\n\r\n" + CRLF),
        (
            f"top\n{BEGIN}\r\nold\r\n{END}\r\nend\n".encode(),
            b"top\n" + BLOCK + b"end\n",
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
    (tmp_path / "closed").write_text("a file")
    done = repo.agentlock("guide", "--write", str(tmp_path / "closed" / "AGENTS.md"))
    assert done.code == 2
    assert "cannot be read" in done.err
    (tmp_path / "closed").unlink()
    done = repo.agentlock("guide", "--write", str(tmp_path))
    assert done.code == 2
    assert sorted(os.listdir(tmp_path)) == ["home", "repo"]


def _out_of_it(repo: Repo, outside: Path) -> str:
    (repo.path / "AGENTS.md").symlink_to(outside)
    return "AGENTS.md"


def _in_two_steps(repo: Repo, outside: Path) -> str:
    (repo.path / "rules.md").symlink_to(os.path.relpath(outside, repo.path))
    (repo.path / "AGENTS.md").symlink_to("rules.md")
    return "AGENTS.md"


def _by_a_folder(repo: Repo, outside: Path) -> str:
    (repo.path / ".github").symlink_to(outside.parent)
    return f".github/{outside.name}"


def _into_gits_folder(repo: Repo, _outside: Path) -> str:
    (repo.path / "AGENTS.md").symlink_to(".git/hooks/post-checkout")
    return "AGENTS.md"


@pytest.mark.parametrize("link", [_out_of_it, _in_two_steps, _by_a_folder, _into_gits_folder])
@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("from_within", [True, False])
def test_the_guide_follows_no_link_out_of_the_worktree(
    repo: Repo,
    tmp_path: Path,
    link: Callable[[Repo, Path], str],
    there: bool,
    from_within: bool,
) -> None:
    outside = tmp_path / "outside" / ".bashrc"
    outside.parent.mkdir()
    if there:
        outside.write_text("export A=1\n")
    name = link(repo, outside)
    before = sorted(tmp_path.rglob("*"))
    file, cwd = (name, repo.path) if from_within else (str(repo.path / name), tmp_path)
    done = repo.agentlock("guide", "--write", file, cwd=cwd)
    assert done.code == 2
    assert "is a link that leads out of its worktree" in done.err
    assert sorted(tmp_path.rglob("*")) == before
    assert not there or outside.read_text() == "export A=1\n"


def test_the_guide_follows_a_link_within_the_worktree_from_everywhere(
    repo: Repo, tmp_path: Path
) -> None:
    (repo.path / "docs").mkdir()
    (repo.path / "CLAUDE.md").symlink_to("docs/rules.md")
    (tmp_path / "link").symlink_to(repo.path)
    for cwd, file in ((repo.path, "CLAUDE.md"), (tmp_path, "link/CLAUDE.md")):
        assert repo.agentlock("guide", "--write", file, cwd=cwd).code == 0
    assert (repo.path / "docs" / "rules.md").read_bytes() == BLOCK


def test_the_guide_waits_for_no_pipe(repo: Repo) -> None:
    os.mkfifo(repo.path / "AGENTS.md")
    done = repo.agentlock("guide", "--write", "AGENTS.md")
    assert done.code == 2
    assert "is not a regular file" in done.err


def test_a_guide_that_does_not_fit_leaves_no_draft(repo: Repo) -> None:
    before = sorted(os.listdir(repo.path))
    script = f"ulimit -f 1; exec {shlex.join(AGENTLOCK)} guide --write AGENTS.md"
    done = run("sh", "-c", script, cwd=repo.path)
    assert done.code == 2, done
    assert "AGENTS.md cannot be written" in done.err
    assert sorted(os.listdir(repo.path)) == before


def test_the_guide_makes_the_folder_of_its_file(repo: Repo) -> None:
    done = repo.agentlock("guide", "--write", ".github/deep/copilot-instructions.md")
    assert done.code == 0, done
    assert (repo.path / ".github/deep/copilot-instructions.md").read_bytes() == BLOCK


@pytest.mark.parametrize(
    ("there", "written"),
    [
        ([], ["AGENTS.md"]),
        (["CLAUDE.md"], ["CLAUDE.md"]),
        (
            ["AGENTS.md", "GEMINI.md", ".github/copilot-instructions.md"],
            ["AGENTS.md", "GEMINI.md", ".github/copilot-instructions.md"],
        ),
    ],
)
@pytest.mark.parametrize("folder", [".", "docs"])
def test_without_a_file_the_guide_goes_where_agents_look_for_it(
    repo: Repo, there: list[str], written: list[str], folder: str
) -> None:
    (repo.path / "docs").mkdir()
    for name in there:
        repo.write(name, "rules\n")
    assert repo.agentlock("guide", "--write", cwd=repo.path / folder).code == 0
    holding = [path for path in repo.path.rglob("*.md") if BEGIN in path.read_text()]
    assert sorted(str(path.relative_to(repo.path)) for path in holding) == sorted(written)


def test_init_names_the_file_that_is_there(new_repo: Callable[..., Repo]) -> None:
    repo = new_repo()
    repo.write("CLAUDE.md")
    assert "teach your agents: agentlock guide --write CLAUDE.md\n" in repo.agentlock("init").err


def test_a_file_that_is_or_takes_in_another_one_gets_no_second_guide(repo: Repo) -> None:
    repo.write("AGENTS.md", "rules\n")
    repo.write("CLAUDE.md", "@AGENTS.md\n")
    (repo.path / "GEMINI.md").symlink_to("AGENTS.md")
    assert repo.agentlock("guide", "--write").code == 0
    assert (repo.path / "CLAUDE.md").read_text() == "@AGENTS.md\n"
    assert (repo.path / "AGENTS.md").read_bytes() == b"rules\n\n" + BLOCK


@pytest.mark.parametrize("answer", ["y", "n"])
def test_init_in_a_terminal_asks_whether_to_write_the_guide(
    new_repo: Callable[..., Repo], answer: str
) -> None:
    repo = new_repo()
    code, shown = in_a_terminal(repo, "init", answers={"Write the guide": answer})
    assert code == 0, shown
    assert (repo.path / "AGENTS.md").exists() == (answer == "y")


def test_init_without_a_terminal_asks_nothing_and_names_the_command(
    new_repo: Callable[..., Repo],
) -> None:
    repo = new_repo()
    assert "agentlock guide --write AGENTS.md" in repo.agentlock("init").err
    assert not (repo.path / "AGENTS.md").exists()
