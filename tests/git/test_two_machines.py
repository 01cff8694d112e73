"""The story on two machines that share a server.

Two clones of one remote, each with a HOME, a configuration and, where root may make them, a network
namespace of its own, joined to the server's by a pair of cables that a test can pull out.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
from support import AGENTLOCK, HOLDER, OTHER, Result, run
from support.postgresql import OwnServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from support import Repo

Wiring = Literal["loopback", "namespaces"]


class Machine:
    """A clone, the HOME beside it and, unless it is on the loopback, a network of its own."""

    def __init__(self, folder: Path, inside: Sequence[str]) -> None:
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        self.clone = folder / "clone"
        self.inside = tuple(inside)

    def run(self, *command: str, agent: str | None = None, **variables: str) -> Result:
        env = {
            "HOME": str(self.home),
            "GIT_CONFIG_GLOBAL": str(self.home / ".gitconfig"),
            "XDG_CONFIG_HOME": str(self.home / ".config"),
            "XDG_DATA_HOME": str(self.home / ".local"),
            **variables,
        }
        cwd = self.clone if self.clone.exists() else self.home
        return run(*self.inside, *command, cwd=cwd, agent=agent, env=env)

    def agentlock(self, *arguments: str, agent: str | None = None, **variables: str) -> Result:
        return self.run(*AGENTLOCK, *arguments, agent=agent, **variables)

    def write(self, name: str, text: str) -> None:
        path = self.clone / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def commit(self, agent: str, **variables: str) -> Result:
        self.run("git", "add", "--all")
        return self.run("git", "commit", "-q", "-m", "change", agent=agent, **variables)


class Network:
    """A server and two machines that reach it."""

    def __init__(self, server: OwnServer, url: str, machines: tuple[Machine, Machine]) -> None:
        self.server = server
        self.url = url
        self.machines = machines
        self.cables: tuple[tuple[str, ...], ...] = ()

    def pull_out(self, machine: int) -> None:
        """From now on every packet of this machine is dropped, and nobody is told."""
        subprocess.run(self.cables[machine], check=True)


@pytest.fixture(params=["loopback", "namespaces"])
def network(
    request: pytest.FixtureRequest, new_repo: Callable[..., Repo], tmp_path: Path
) -> Iterator[Network]:
    wiring: Wiring = request.param
    remote = new_repo("remote")
    for name in ("src/x.py", "docs/y.md"):
        remote.write(name, "start\n")
    remote.commit_unguarded("files")
    remote.must("config", "receive.denyCurrentBranch", "ignore")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="agentlock-net-")))
        folder.chmod(0o755)
        if wiring == "namespaces":
            network = stack.enter_context(in_namespaces(folder, tmp_path))
        else:
            server = OwnServer(folder / "data")
            server.make()
            machines = (Machine(tmp_path / "one", ()), Machine(tmp_path / "two", ()))
            network = Network(server, server.url, machines)
        network.server.start()
        stack.callback(network.server.stop)
        for machine in network.machines:
            assert machine.run("git", "clone", "-q", str(remote.path), "../clone").code == 0
            made = machine.agentlock("init", "--project", "p", "--database", network.url)
            assert made.code == 0, made
        yield network


@contextlib.contextmanager
def in_namespaces(folder: Path, tmp_path: Path) -> Iterator[Network]:
    """Three networks that are nobody else's: a server's, and one of each machine."""
    if sys.platform != "linux" or run("unshare", "-n", "true", cwd=folder).code != 0:
        pytest.skip("this user may make no network namespaces")
    with contextlib.ExitStack() as stack:
        holders = [stack.enter_context(_namespace()) for _ in range(3)]
        centre, *ends = [("nsenter", f"--net=/proc/{pid}/ns/net") for pid in holders]
        for at, (pid, inside) in enumerate(zip(holders[1:], ends, strict=True)):
            near, far = f"near{at}", f"far{at}"
            for command in (
                (*centre, "ip", "link", "add", near, "type", "veth", "peer", far, "netns", pid),
                (*centre, "ip", "addr", "add", f"10.99.{at}.1/24", "dev", near),
                (*centre, "ip", "link", "set", near, "up"),
                (*inside, "ip", "addr", "add", f"10.99.{at}.2/24", "dev", far),
                (*inside, "ip", "link", "set", far, "up"),
                (*inside, "ip", "route", "add", "10.99.9.1/32", "via", f"10.99.{at}.1"),
            ):
                subprocess.run(command, check=True)
        for words in ("link set lo up", "addr add 10.99.9.1/32 dev lo"):
            subprocess.run((*centre, "ip", *words.split()), check=True)
        server = OwnServer(folder / "data", inside=centre, host="10.99.9.1")
        server.make()
        server.admit("10.99.0.0/16")
        machines = (Machine(tmp_path / "one", ends[0]), Machine(tmp_path / "two", ends[1]))
        network = Network(server, server.url, machines)
        network.cables = tuple(
            (*centre, "ip", "link", "set", f"near{at}", "down") for at in range(2)
        )
        yield network


@contextlib.contextmanager
def _namespace() -> Iterator[str]:
    """A network namespace, as the process that keeps it."""
    before = os.readlink("/proc/self/ns/net")
    with subprocess.Popen(("unshare", "-n", "cat"), stdin=subprocess.PIPE) as keeper:
        while os.readlink(f"/proc/{keeper.pid}/ns/net") == before:
            time.sleep(0.01)
        yield str(keeper.pid)


def test_two_machines_take_turns_and_a_server_killed_in_the_middle_lets_nothing_through(
    network: Network,
) -> None:
    one, two = network.machines
    reserved = one.agentlock("reserve", "src/**", "--ttl", "45m", "--reason", "bd-42", agent=HOLDER)
    assert reserved.code == 0, reserved

    two.write("src/x.py", "changed by the other\n")
    refused = two.commit(OTHER)
    assert refused.code == 1
    assert "src/x.py  BlueLake  exclusive  src/**" in refused.err
    conflict = two.agentlock("reserve", "src/x.py", agent=OTHER)
    assert conflict.code == 1

    network.server.kill()
    two.write("docs/y.md", "changed while the server is down\n")
    two.run("git", "checkout", "-q", "HEAD", "--", "src")
    down = two.commit(OTHER)
    assert down.code == 1
    assert "commit refused: " in down.err
    assert "cannot be reached" in down.err
    assert one.agentlock("release", "--all", agent=HOLDER).code == 3

    network.server.start()
    assert two.commit(OTHER).code == 0
    two.write("src/x.py", "changed by the other\n")
    assert two.commit(OTHER).code == 1
    one.write("src/x.py", "changed by the holder\n")
    assert one.commit(HOLDER).code == 0
    assert one.run("git", "push", "-q", "origin", "HEAD:refs/heads/ours", agent=HOLDER).code == 0
    assert one.agentlock("release", "--all", agent=HOLDER).code == 0
    assert two.commit(OTHER).code == 0


def test_a_machine_whose_packets_are_dropped_is_refused_and_the_other_goes_on(
    network: Network,
) -> None:
    if not network.cables:
        network.server.kill()  # on the loopback nothing can be dropped: only refused
    else:
        network.pull_out(0)
    one, two = network.machines
    one.write("docs/y.md", "changed behind a cable that is out\n")
    refused = one.commit(HOLDER, AGENTLOCK_TIMEOUT="2")
    assert refused.code == 1
    assert ("did not answer for 2 s" if network.cables else "cannot be reached") in refused.err
    if network.cables:
        assert two.agentlock("reserve", "src/**", agent=OTHER).code == 0


@pytest.mark.parametrize("hours", [-5, 5])
def test_machines_whose_clocks_differ_by_hours_agree_about_a_lease(
    network: Network, hours: int, tmp_path: Path
) -> None:
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock" / "sitecustomize.py").write_text(
        "import time\n"
        "right, right_ns = time.time, time.time_ns\n"
        f"time.time = lambda: right() + {hours} * 3600\n"
        f"time.time_ns = lambda: right_ns() + {hours} * 3600 * 10**9\n"
    )
    wrong = {"PYTHONPATH": str(tmp_path / "clock")}
    one, two = network.machines
    granted = one.agentlock("reserve", "src/**", "--ttl", "30m", "--json", agent=HOLDER, **wrong)
    assert granted.code == 0, granted
    (listed,) = two.agentlock("list", "--json").json
    assert listed.pop("holder")["host"]
    assert [listed] == granted.json["granted"]
    two.write("src/x.py", "changed by the other\n")
    refused = two.commit(OTHER)
    assert refused.code == 1
    for told in (refused.err, one.agentlock("list", **wrong).out):
        assert re.search(r"(for |\()([12]?\d|30)m", told), told  # whatever the tests took
    renewed = one.agentlock("renew", "--all", "--ttl", "2h", agent=HOLDER, **wrong)
    assert renewed.code == 0, renewed
