"""The SQLite driver is loaded without functools, and leaves everyone else the real one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def output(code: str) -> str:
    """What a bare interpreter, as git's hooks start it, prints."""
    start = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"
    command = (sys.executable, "-I", "-S", "-c", start)
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_a_bare_interpreter_never_loads_functools_for_it() -> None:
    code = (
        "from agentlock.store.sqlite.driver import driver\n"
        "connection = driver.connect(':memory:')\n"
        "print([connection.execute('SELECT ?', (n,)).fetchone() for n in range(3)])\n"
        "print('functools' in sys.modules)"
    )
    assert output(code).splitlines() == ["[(0,), (1,), (2,)]", "False"]


def test_who_imports_functools_afterwards_gets_the_real_one() -> None:
    code = (
        "from agentlock.store.sqlite.driver import driver\n"
        "import functools\n"
        "print(functools.reduce(lambda a, b: a + b, [1, 2, 3]))\n"
        "import sqlite3\n"
        "print(sqlite3.connect is driver.connect)"
    )
    assert output(code).splitlines() == ["6", "True"]


def test_where_functools_is_loaded_already_statements_are_cached_as_ever() -> None:
    code = (
        "import functools\n"
        "from agentlock.store.sqlite.driver import driver\n"
        "print(sys.modules['functools'] is functools, driver.connect(':memory:').total_changes)"
    )
    assert output(code) == "True 0\n"
