"""Change single words of the program at random, one at a time: does a test turn red?

python trials/mutation.py [--each N] [--seed N]

Of each group of modules N places are drawn. Where no test finds the change it stands in the table
of survivors, with the reason from SURVIVORS. Writes docs/evidence/mutation.md; takes about half an
hour.
"""

from __future__ import annotations

import ast
import contextlib
import os
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from support.scripts import arguments

from benchmarks.pages import EVIDENCE, origin
from trials.checkout import ROOT, copied, replaced

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PAGE = EVIDENCE / "mutation.md"
# As ever the same examples, and nothing that is kept between two runs.
_ALWAYS = ("--hypothesis-seed=0", "-p", "no:cacheprovider")
_PIPE = "\\|"  # in a cell of a table
_TIMEOUT = 60  # seconds: a change that makes a loop endless is found by it
_MEMORY = 4 << 30  # bytes, for such a loop

_SYNTAX = "tests/unit/test_patterns_syntax.py"
_MATCHING = "tests/unit/test_patterns_matching.py"
_OVERLAP = "tests/unit/test_patterns_overlap.py"
_AGAINST_GIT = "tests/git/test_patterns_against_git.py"
_CONTRACT = "tests/store/test_contract.py -k sqlite"
_FILES = "tests/store/test_sqlite_files.py tests/store/test_statements_use_indexes.py"
_CONFIRMING = "tests/store/test_confirming_conflicts.py"
_LEASES = "tests/cli/test_leases.py"
_MAIL = "tests/store/test_mail.py -k sqlite"
_POLICY = "tests/cli/test_policy.py"
_LEDGER = "tests/git/test_ledger.py"
_VERDICT = "tests/unit/test_verdict.py"
_MODEL = "tests/histories/test_model.py"
_SIZES = "tests/cli/test_sizes.py"
_PRUNE = "tests/cli/test_prune.py"
_KEYS = "tests/store/test_keys.py"
_REPORT = "tests/unit/test_report.py"
_OUTPUT = "tests/cli/test_output.py"

# Of each group the modules, and the runs of tests that look for a change, the quick ones first.
GROUPS: dict[str, dict[str, tuple[str, ...]]] = {
    "guard": {
        "guard/verdict.py": (_VERDICT, _POLICY),
        "guard/judge.py": ("tests/cli/test_json_shapes.py", _OUTPUT, _POLICY),
        "guard/ledger.py": (_LEDGER,),
        "guard/report.py": (_REPORT, _POLICY, _OUTPUT),
    },
    "reservations": {
        "reservations/granting.py": (_CONFIRMING, _MODEL, _SIZES, _POLICY, _LEASES),
        "reservations/search.py": (_CONFIRMING, _MODEL, _SIZES, _LEASES),
        "reservations/ending.py": (_MODEL, _LEASES),
        "reservations/naming.py": (_MODEL, _LEASES),
        "reservations/retention.py": (_PRUNE, _POLICY),
    },
    "mail": {
        "mail/inbox.py": (_MAIL,),
        "mail/names.py": (_MAIL,),
        "mail/sending.py": (_MAIL,),
        "mail/threads.py": (_MAIL,),
        "mail/tickets.py": (_MAIL,),
    },
    "patterns": {
        "patterns/directory_notes.py": (_SYNTAX,),
        "patterns/exempt.py": (_VERDICT, _POLICY),
        "patterns/globs.py": (_MATCHING, _AGAINST_GIT),
        "patterns/index.py": (_MATCHING, _AGAINST_GIT),
        "patterns/keys.py": (_MATCHING, _KEYS, _CONTRACT, _AGAINST_GIT),
        "patterns/overlap.py": (_OVERLAP,),
        "patterns/pattern.py": (_MATCHING, _SYNTAX, _OVERLAP, _AGAINST_GIT),
        "patterns/plain.py": (_MATCHING, _AGAINST_GIT),
        "patterns/places.py": (_SYNTAX,),
        "patterns/syntax.py": (_SYNTAX, _AGAINST_GIT),
        "patterns/wildmatch.py": (_MATCHING, _SYNTAX, _OVERLAP, _AGAINST_GIT),
    },
    "store": {
        "store/agents.py": (_CONTRACT,),
        "store/base.py": (_CONTRACT, _FILES, _CONFIRMING),
        "store/copy.py": ("tests/store/test_copy.py",),
        "store/events.py": (_CONTRACT, _FILES),
        "store/ledger.py": (_CONTRACT,),
        "store/messages.py": (_CONTRACT, _MAIL),
        "store/owner.py": (_CONTRACT,),
        "store/policy.py": (_CONTRACT,),
        "store/reservations.py": (_CONTRACT, _FILES, _CONFIRMING, _KEYS),
        "store/tickets.py": (_MAIL,),
        "store/sqlite/__init__.py": (_CONTRACT, _FILES, "tests/race/test_turns.py"),
    },
}

# Why a change that was drawn and lived is no gap of the tests.
_TUNING = "how much at once: one more or less is as right"
SURVIVORS = {
    "guard/report.py: _hints: 0 → 1 (2)": "the width where there is no hint: nothing to align",
    "patterns/pattern.py: compile_pattern: not glob.isascii() and folding.compose_uni… → not "
    "glob.isascii() or folding.compose_uni…": "`compose()` itself leaves both kinds as they are",
    "reservations/retention.py: LARGE_BITE: 1000 → 1001": _TUNING,
    "reservations/retention.py: BITE: 50 → 51": _TUNING,
    "reservations/search.py: Search.__init__: 0 → 1 (3)": (
        "`everything()` sets it before it is read"
    ),
    "reservations/granting.py: reserve: check_lease(request.ttl, store.policy.read(), "
    "request.ttl_text) → ...": (
        "it is checked again in the transaction; here it only saves the search"
    ),
    "store/sqlite/__init__.py: SQLiteStore._connect: True → False": (
        "the SQLite of this machine takes every name for a URI (`USE_URI`); not all do"
    ),
    "store/sqlite/__init__.py: SQLiteStore._execute: 1000 → 1001": (
        "SQLite waits a quarter of a millisecond longer at a time"
    ),
}

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_SQL = {" > ": " >= ", " < ": " <= ", " <= ": " < ", " >= ": " > ", "IS NULL": "IS NOT NULL"}
_SQL |= {" AND ": " OR ", " DESC": "", "max(": "min(", " + 1": " + 2", " = 0": " = 1"}
# What only a server is told, whose tests are not among these.
_ON_A_SERVER = ("POSTGRES_", "_STANDING", "rows_after")


class Change(NamedTuple):
    """One changed place: the whole module with it, and what stood there and stands there now."""

    module: str
    place: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.module}: {self.place}"


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--each", type=int, default=30, help="changes of each group")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    chosen = {group: _drawn(group, given.each, given.seed) for group in GROUPS}
    with tempfile.TemporaryDirectory(prefix="agentlock-mutation-") as folder:
        copy = copied(Path(folder))
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        for tests in _all_runs():
            if red := _red(copy, tests):
                sys.exit(f"the tests prove nothing: {red} is red without any change")
        found = {change.name: _killer(copy, change) for some in chosen.values() for change in some}
    PAGE.write_text(_page(chosen, found), encoding="utf-8")
    return 1 if {name for name, red in found.items() if not red} - set(SURVIVORS) else 0


def _all_runs() -> set[str]:
    return {tests for modules in GROUPS.values() for runs in modules.values() for tests in runs}


def _drawn(group: str, count: int, seed: int) -> list[Change]:
    changes = [change for module in GROUPS[group] for change in _changes(module)]
    random.Random(seed).shuffle(changes)  # noqa: S311
    return changes[:count]


# Changing


def _changes(module: str) -> list[Change]:
    source = (ROOT / "agentlock" / module).read_text(encoding="utf-8")
    tree = ast.parse(source)
    times: Counter[str] = Counter()
    changes: list[Change] = []
    for where, node in _decisions(tree, ""):
        for field, value in _variants(node, sql=module.startswith("store/")):
            right = getattr(node, field)
            before = _shown(node)
            setattr(node, field, value)
            after, text = _shown(node), ast.unparse(tree)
            setattr(node, field, right)
            place = f"{where}: {_difference(before, after)}"
            times[place] += 1
            again = f" ({times[place]})" if times[place] > 1 else ""
            changes.append(Change(module, place + again, text))
    return changes


def _decisions(node: ast.AST, where: str) -> Iterator[tuple[str, ast.AST]]:
    """Each node that takes part in what is decided, with the function that it stands in."""
    for field, child in _children(node):
        if field in {"annotation", "returns", "decorator_list"} or isinstance(child, ast.Raise):
            continue  # a raise holds the words of an error, and these are not counted
        if isinstance(child, ast.If | ast.Assign) and "TYPE_CHECKING" in ast.dump(child):
            continue
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue  # a docstring
        inside = where
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            inside = f"{where}.{child.name}".lstrip(".")
        elif isinstance(child, ast.Assign) and not where:
            inside = ast.unparse(child.targets[0])
        if not inside.startswith(_ON_A_SERVER):
            yield inside, child
            yield from _decisions(child, inside)


def _children(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    for field, value in ast.iter_fields(node):
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, ast.AST):
                yield field, each


def _variants(node: ast.AST, *, sql: bool) -> Iterator[tuple[str, object]]:
    """The fields of a node that can be otherwise, each with what it can be."""
    match node:
        case ast.Compare(ops=[first, *others]) if type(first) in _COMPARISONS:
            yield "ops", [_COMPARISONS[type(first)](), *others]
        case ast.BoolOp(op=operator):
            yield "op", ast.Or() if isinstance(operator, ast.And) else ast.And()
        case ast.BinOp(op=operator) | ast.AugAssign(op=operator) if _has_opposite(node, operator):
            yield "op", _OPERATORS[type(operator)]()
        case ast.If(test=test) | ast.IfExp(test=test) if not _has_one(test):
            yield "test", ast.UnaryOp(ast.Not(), test)
        case ast.Expr(value=ast.Call()):
            yield "value", ast.Constant(value=...)
        case ast.Return(value=ast.expr() as value) if ast.unparse(value) != "None":
            yield "value", ast.Constant(value=None)
        case ast.Constant(value=bool(value)):
            yield "value", not value
        case ast.Constant(value=int(value)):
            yield "value", value + 1
        case ast.Constant(value=str(value)) if sql:
            for word, other in _SQL.items():
                for found in re.finditer(re.escape(word), value):
                    yield "value", value[: found.start()] + other + value[found.end() :]
        case ast.Name(id="max" | "min" | "any" | "all" as name):
            yield "id", {"max": "min", "min": "max", "any": "all", "all": "any"}[name]


def _has_opposite(node: ast.AST, operator: ast.operator) -> bool:
    """Not that of a sum of texts: any test that comes there would find it."""
    return type(operator) in _OPERATORS and not re.search("['\"]", ast.unparse(node))


def _has_one(test: ast.expr) -> bool:
    """Whether the condition is a comparison whose own change is its negation."""
    return isinstance(test, ast.Compare) and isinstance(
        test.ops[0], ast.Eq | ast.NotEq | ast.Is | ast.IsNot | ast.In | ast.NotIn
    )


def _shown(node: ast.AST) -> str:
    shown = node.test if isinstance(node, ast.If) else node
    return " ".join(ast.unparse(shown).replace("\\n", " ").split())


def _alike(one: str, other: str) -> int:
    """How many letters of both are the same from the start."""
    pairs = zip(one, other, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _difference(before: str, after: str) -> str:
    """Both, without what is alike and far from where they differ."""
    start = _alike(before, after)
    end = _alike(before[start:][::-1], after[start:][::-1])
    first = max(start - 30, 0)
    return " → ".join(
        ("…" if first else "") + text[first : len(text) - end + 20] + ("…" if end > 20 else "")
        for text in (before, after)
    )


# Trying


def _killer(copy: Path, change: Change) -> str:
    """The first test that turns red, or what else tells the change; "" where nothing does."""
    runs = next(some[change.module] for some in GROUPS.values() if change.module in some)
    with replaced(copy / "agentlock" / change.module, change.text):
        killer = next(filter(None, (_red(copy, tests) for tests in runs)), "")
    print(f"{killer or 'LIVED'}: {change.name}", flush=True)
    return killer


def _red(copy: Path, tests: str) -> str:
    started = subprocess.Popen(
        (".venv/bin/python", "-m", "pytest", "-q", "-x", *_ALWAYS, *tests.split()),
        cwd=copy,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = started.communicate(timeout=_TIMEOUT)
    except subprocess.TimeoutExpired:
        return "no end"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        started.wait()
    if started.returncode == 0:
        return ""
    failed = re.search(r"(?m)^(?:FAILED|ERROR) (\S+)", said)
    return failed[1].partition("[")[0] if failed else "does not start"


# Telling


def _page(chosen: Mapping[str, Sequence[Change]], found: dict[str, str]) -> str:
    rows = ["| modules | changed places | found by a test | alike in effect | gaps |"]
    rows += ["|---|---:|---:|---:|---:|"]
    total: Counter[str] = Counter()
    for group, changes in chosen.items():
        names = [change.name for change in changes]
        count = Counter(
            "found" if found[n] else "alike" if n in SURVIVORS else "gap" for n in names
        )
        total += count
        rows.append(_row(group, count))
    rows.append(_row("all", total))
    lived = [change for some in chosen.values() for change in some if not found[change.name]]
    told = [
        f"| `{change.module}` | `{change.place.replace('|', _PIPE)}` "
        f"| {SURVIVORS.get(change.name, '**a gap**')} |"
        for change in lived
    ]
    return "\n".join(
        [
            "# Changed words",
            "",
            "Single words of the program are changed at random, one at a time: a comparison, a",
            "number, a condition, a result, a call left out, a word of SQL. The tests that should",
            "find it are those of its module, the quick ones first. Left out are the modules that",
            "only git's own hooks or a server run: `trials/planted.py` tries some of those.",
            "",
            *rows,
            "",
            "## What lived, and why",
            "",
            "| module | change | why no test finds it |",
            "|---|---|---|",
            *told,
            "",
            origin(),
            "",
        ]
    )


def _row(name: str, count: Counter[str]) -> str:
    cells = (name, sum(count.values()), count["found"], count["alike"], count["gap"])
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    sys.exit(main())
