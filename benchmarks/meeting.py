"""Do two patterns meet? What that costs for a pair, and what patterns made to be slow cost."""

from __future__ import annotations

import itertools
import random
import statistics
import time
from typing import TYPE_CHECKING

from agentlock.patterns.matching import compile_pattern
from agentlock.patterns.overlap import overlap
from agentlock.patterns.wildmatch import parse, render
from benchmarks.pages import Section, short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.patterns.matching import Pattern


def realistic_patterns(count: int) -> list[bytes]:
    """What people reserve in a few modules: a third files, a third folders, a third globs."""
    pick = random.Random(1).choice  # noqa: S311 -- the same every time
    modules = (b"src/auth", b"src/api", b"src/api/v2", b"src/models", b"lib", b"tests", b"web/app")
    names = (b"login", b"user", b"token", b"index", b"config")
    extensions = (b"py", b"ts", b"tsx", b"md", b"json")
    shapes = (
        lambda: b"/%s/%s.%s" % (pick(modules), pick(names), pick(extensions)),
        lambda: b"/%s/" % pick(modules),
        lambda: b"/%s/**" % pick(modules),
        lambda: b"/%s/*.%s" % (pick(modules), pick(extensions)),
        lambda: b"/%s/**/*.%s" % (pick(modules), pick(extensions)),
        lambda: b"/%s/%s_*" % (pick(modules), pick(names)),
        lambda: b"/%s/test_[a-m]*.%s" % (pick(modules), pick(extensions)),
        lambda: b"**/*.%s" % pick(extensions),
        lambda: b"**/*_%s.%s" % (pick(names), pick(extensions)),
        lambda: b"**/test_*.%s" % pick(extensions),
        lambda: b"**/%s/**" % pick(names),
        lambda: b"**/%s.%s" % (pick(names), pick(extensions)),
    )
    weighted = (*shapes[:1] * 6, *shapes[1:3] * 3, *shapes[3:])
    return [pick(weighted)() for _ in range(count)]


def generated_patterns(count: int) -> list[bytes]:
    """Short names over few letters, wildcards and classes: they meet in every possible way."""
    generator = random.Random(2)  # noqa: S311 -- as above
    pieces = (b"a", b"b", b".", b"*", b"?", b"[ab]", b"[!a]", b"a*", b"[[:digit:]]")

    def name() -> bytes:
        return b"".join(generator.choices(pieces, k=generator.randrange(1, 4))).replace(b"**", b"*")

    texts: list[bytes] = []
    while len(texts) < count:
        names = [
            generator.choice((b"**", name(), name())) for _ in range(generator.randrange(1, 5))
        ]
        if {b".", b".."}.isdisjoint(names):
            texts.append(canonical(b"/".join(names)))
    return texts


def canonical(glob: bytes) -> bytes:
    written, below = parse(glob, glob)
    return render(written, below=below)


def adversarial_patterns(_count: int) -> list[bytes]:
    """Patterns that send backtracking matchers into exponential time."""
    stars = b"*a" * 100
    deep = b"/**/b" * 100
    letters = bytes(byte for byte in range(1, 256) if byte not in b"/]\\[{-!^:")
    return [
        b"/" + stars + b"*c",
        b"/" + stars.replace(b"a", b"b") + b"*d",
        b"/" + b"*[ab]" * 100 + b"*",
        b"/" + b"?*" * 100 + b"e",
        b"/a" + deep + b"/c",
        b"/a" + deep + b"/d",
        b"**/" + b"*a*/**/" * 60 + b"*b*",
        b"/[" + (letters * 20)[:3_998] + b"]*",
    ]


KINDS = {
    "realistic": realistic_patterns,
    "generated": generated_patterns,
    "adversarial": adversarial_patterns,
}


def meeting(*, quick: bool) -> Section:
    """What a pair costs, and what matching each against the other's text would find."""
    count = 100 if quick else 400
    table: list[Sequence[str]] = [
        ("pairs", "how many", "meet", "median, µs", "p99, µs", "worst, ms", "precision", "recall")
    ]
    for kind, make in KINDS.items():
        patterns = [compile_pattern(text) for text in dict.fromkeys(make(count))]
        times, truth, guesses = [], [], []
        for mine, theirs in itertools.combinations(patterns, 2):
            started = time.perf_counter()
            witness = overlap(mine, theirs)
            times.append((time.perf_counter() - started) * 1_000_000)
            truth.append(witness is not None)
            guesses.append(meets_the_text(mine, theirs) or meets_the_text(theirs, mine))
        both = sum(map(min, truth, guesses))
        shares = [f"{both / total:.0%}" if total else "-" for total in (sum(guesses), sum(truth))]
        p99 = statistics.quantiles(times, n=100)[-1]
        numbers = (statistics.median(times), p99)
        row = (kind, f"{len(times):,}", f"{sum(truth):,}", *(f"{n:,.0f}" for n in numbers))
        table.append((*row, f"{max(times) / 1000:.1f}", *shares))
    text = (
        "Every pair of different patterns of a kind, literals and folders included. Precision and "
        "recall are those of matching each pattern against the other's text, as tools do that "
        "have no overlap test, with our own matcher, against the exact answer."
    )
    return Section("Do two patterns meet?", text, table)


def meets_the_text(mine: Pattern, theirs: Pattern) -> bool:
    return mine.matches(theirs.text.removeprefix(b"/").removesuffix(b"/"))


def hostile(*, quick: bool) -> Section:
    """Patterns made to be slow, against paths and patterns that are made for them."""
    letters = bytes(byte for byte in range(1, 256) if byte not in b"/]\\[{-!^:")
    members = (letters * 20)[:3_998]
    deep, stars = b"/a" + b"/**/b" * 100, b"/" + b"*a" * 100
    cases = {
        "`a/**/b/**/b…/c`, 100 repeats": (
            deep + b"/c",
            b"a" + b"/b" * 99 + b"/x" * 1_900 + b"/c",
            deep + b"/d",
        ),
        "`*a*a*…`, 100 stars": (stars + b"*", b"a" * 99 + b"b" * 3_901, b"/" + b"[!a]?" * 99),
        "a class of 4,000 bytes": (
            b"/*[" + members + b"]-*",
            b"a" * 4_000,
            b"/" + (b"[!" + members + b"]") * 2,
        ),
    }
    table: list[Sequence[str]] = [("pattern", "compile, ms", "match, ms", "overlap, ms")]
    for name, (glob, path, other) in cases.items():
        rival = compile_pattern(other)
        times: list[list[float]] = [[], [], []]
        for _ in range(3 if quick else 15):
            started = time.perf_counter()
            pattern = compile_pattern(glob)
            compiled = time.perf_counter()
            pattern.matches(path)
            matched = time.perf_counter()
            overlap(pattern, rival)
            met = time.perf_counter()
            for own, ms in zip(
                times, (compiled - started, matched - compiled, met - matched), strict=True
            ):
                own.append(ms * 1000)
        table.append((name, *(short(statistics.median(own)) for own in times)))
    text = (
        "Each against a path of 4,000 bytes that almost matches, and against another of its kind "
        "that it does not meet."
    )
    return Section("Hostile patterns", text, table)
