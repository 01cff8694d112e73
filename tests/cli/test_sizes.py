"""Input that is too large is refused in bounded memory, with the limit, and changes nothing.

An answer shows at most a thousand conflicts.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support import AGENTLOCK

if TYPE_CHECKING:
    from support import Repo

MEMORY = 512 << 20
# Limits its own memory, and then becomes the program that is tested.
LIMITED = (
    "import os, resource, sys\n"
    f"resource.setrlimit(resource.RLIMIT_AS, ({MEMORY}, {MEMORY}))\n"
    "os.execv(sys.argv[1], sys.argv[1:])\n"
)


def fed(repo: Repo, chunk: bytes, *command: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command in 512 MiB of memory, with 1 GiB on stdin, or as much as it reads."""
    with subprocess.Popen(
        (sys.executable, "-c", LIMITED, *command),
        cwd=repo.path,
        env={**os.environ, "AGENTLOCK_AGENT": "GreenHill"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        stdin, process.stdin = process.stdin, None
        assert stdin is not None
        with contextlib.suppress(BrokenPipeError), stdin:
            for _ in range((1 << 30) // len(chunk)):
                stdin.write(chunk)
        out, err = process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, out, err)


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space as Linux does")
@pytest.mark.parametrize("chunk", [b"x" * 65536, b"path\0" * 13000], ids=["one", "many"])
def test_a_gibibyte_of_paths_is_refused_in_bounded_memory(repo: Repo, chunk: bytes) -> None:
    done = fed(repo, chunk, *AGENTLOCK, "check", "--stdin")
    assert done.returncode == 2, done
    assert b"stdin has more paths than one check can take" in done.stderr
    assert b"at most 1,000,000 paths and 64 MiB" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space as Linux does")
def test_a_gibibyte_of_refs_is_refused_in_bounded_memory(repo: Repo) -> None:
    hook = str(repo.path / ".git" / "hooks" / "pre-push")
    done = fed(repo, b"x" * 65536, hook, "origin", "../nowhere.git")
    assert done.returncode == 3, done
    assert b"git lists more than 64 MiB of refs" in done.stderr


def test_more_than_5000_patterns_in_one_call_are_refused(repo: Repo) -> None:
    many = tuple(f"src/{at}.py" for at in range(10_000))
    for count in (5_001, 10_000):
        refused = repo.agentlock("reserve", *many[:count], agent="GreenHill")
        assert refused.code == 2
        assert f"{count:,} patterns are too many for one call" in refused.err
        assert "at most 5,000 at once" in refused.err
    assert repo.agentlock("list", "--json").json == []
    assert len(repo.reserve("GreenHill", *many[:1000])) == 1000


@pytest.mark.parametrize("length", [1_001, 100_000])
def test_a_reason_of_more_than_a_thousand_characters_is_refused(repo: Repo, length: int) -> None:
    for command in (("reserve", "x.py"), ("release", "--all", "--force")):
        refused = repo.agentlock(*command, "--reason", "r" * length, agent="GreenHill")
        assert refused.code == 2
        assert f"a reason of {length} characters is too long" in refused.err
        assert "1000 characters at most" in refused.err


def test_json_shows_at_most_a_thousand_conflicts_and_counts_all(repo: Repo) -> None:
    repo.reserve("BlueLake", "src/")
    names = b"".join(b"src/%d.py\0" % number for number in range(1_500))
    done = repo.agentlock("check", "--json", "--stdin", agent="GreenHill", stdin=names)
    assert (done.code, done.json["conflicts_total"], len(done.json["conflicts"])) == (1, 1500, 1000)


def test_a_refused_reserve_shows_a_thousand_conflicts_and_that_there_are_more(repo: Repo) -> None:
    repo.reserve("BlueLake", *(f"src/{number}.py" for number in range(1_001)))
    done = repo.agentlock("reserve", "--json", "src/", agent="GreenHill")
    assert (done.code, len(done.json["conflicts"]), done.json["more"]) == (1, 1000, True)
    said = repo.agentlock("reserve", "src/", agent="GreenHill").err
    assert "at least 1000 conflicts, nothing was reserved" in said
    done = repo.agentlock("reserve", "--json", "src/7.py", agent="GreenHill")
    assert (done.code, len(done.json["conflicts"]), "more" in done.json) == (1, 1, False)
