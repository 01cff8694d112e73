"""Whether two patterns meet, held against enumeration and against a second construction."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentlock.patterns.matching import Folding, PatternIndex, compile_pattern
from agentlock.patterns.overlap import overlap
from agentlock.patterns.wildmatch import parse, render

if TYPE_CHECKING:
    from collections.abc import Iterable

EXACT = Folding()


def canonical(glob: bytes) -> bytes:
    written, below = parse(glob, glob)
    return render(written, below=below)


def met(a: bytes, b: bytes, folding: Folding = EXACT) -> bytes | None:
    """The overlap, checked: both match the witness, git could track it, either order agrees."""
    first, second = compile_pattern(a, folding), compile_pattern(b, folding)
    witness = overlap(first, second)
    assert overlap(second, first) == witness
    if witness is not None:
        assert PatternIndex([a, b], folding).matching(witness) == [0, 1], (a, b, witness)
        names = witness.split(b"/")
        assert not any(name.lower() in {b"", b".", b"..", b".git"} for name in names)
        assert b"\0" not in witness
    return witness


@pytest.mark.parametrize(
    ("a", "b", "witness"),
    [
        (b"/src/a.py", b"/src/a.py", b"src/a.py"),
        (b"/src/a.py", b"/src/b.py", None),
        (b"/src/a.py", b"/src/", b"src/a.py"),
        (b"/src", b"/src/", b"src"),
        (b"/src", b"/src/**", b"src/a"),
        (b"/src", b"/src/a.py", b"src/a.py"),
        (b"/src", b"/src/auth/", b"src/auth"),
        (b"/src", b"/src/**/x.py", b"src/x.py"),
        (b"/src", b"/src/auth/[ab]", b"src/auth/a"),
        (b"/src", b"/srcs/x", None),
        (b"/src", b"/src.py", None),
        (b"/src/a.py", b"/src/*/x", None),
        (b"/src/a.py", b"**/x", None),
        (b"/src/a.py", b"**/*.py", b"src/a.py"),
        (rb"/\[a].py", b"/*.py", b"[a].py"),
        (rb"/\[a].py", b"/[a].py", None),
        (b"/src/", b"/src/auth/", b"src/auth"),
        (b"/src/auth/", b"/src/authority/", None),
        (b"/", b"/", b"a"),
        (b"/", b"/src/", b"src"),
        (b"/", b"**/*.py", b"a.py"),
        (b"/src/**", b"**/*.py", b"src/a.py"),
        (b"/src/**", b"/lib/**", None),
        (b"/src/**", b"/src/", b"src/a"),
        (b"/src/*", b"/src/auth/", b"src/auth"),
        (b"/src/*.py", b"/src/test_*", b"src/test_.py"),
        (b"**/*.py", b"**/*.md", None),
        (b"**/test_*", b"**/*_test.py", b"test_test.py"),
        (b"**/a/**", b"**/b/**", b"a/b/a"),
        (b"/a/**/b", b"/a/*/b", b"a/a/b"),
        (b"/a/*/b", b"/a/b", None),
        (b"/*/", b"/*", None),
        (b"/x/**/", b"/x/*", None),
        (b"/[ab]c", b"/[bd]?", b"bc"),
        (b"/[ab]", b"/[!ab]", None),
        (b"/[!a-y]", b"/[[:lower:]]", b"z"),
        (b"/?", b"/??", None),
        (b"/[\x80-\x90]", b"/[\x85-\xff]*", b"\x90"),
        (b"/\xff*", b"/*\xfe", b"\xff\xfe"),
    ],
)
def test_two_patterns_meet_where_a_person_would_say(
    a: bytes, b: bytes, witness: bytes | None
) -> None:
    assert met(a, b) == witness


def test_a_witness_is_a_name_that_git_tracks() -> None:
    assert met(b"/.*", b"/.?") == b".a"
    assert met(b"/.[.a]", b"/.[.b]") is None
    assert met(b"/?", b"/[.]*") is None
    assert met(b"/[.]?", b"/?[.]") is None
    assert met(b"/.g?t", b"/.?[iI]*[tT]") is None
    assert met(b"/.g?*t", b"/.?[iI]*[tT]") is not None
    assert met(b"/.gi?", b"/.[g]?t") is None
    assert met(b"/.gi?", b"/.[g]?[tu]") == b".giu"
    assert met(b"/.gi*", b"/*t") is not None
    assert met(b"/.G?T", b"/.?I?") is None
    assert met(b"**/.*", b"**/*[.]") not in {None, b".", b".."}


@pytest.mark.parametrize(
    "folding", [Folding(ignore_case=True), Folding(ignore_case=True, compose_unicode=True)]
)
def test_folding_is_applied_before_patterns_meet(folding: Folding) -> None:
    assert met(b"/SRC/*", b"/src/[A-C]", folding) is not None
    assert met(b"/SRC/*", b"/src/[A-C]") is None
    assert met(b"/Src/A.py", b"/**/a.PY".removeprefix(b"/"), folding) == b"Src/A.py"
    assert met(b"/SRC/", b"/src/Auth/", folding) == b"src/Auth"
    assert met(b"/[!a]*", b"/A*", folding) is None


def test_composition_keeps_witnesses_honest() -> None:
    composed = Folding(compose_unicode=True)
    acute, e_acute = "\u0301".encode(), "\u00e9".encode()
    assert met(b"/e" + acute + b"*", b"/" + e_acute + b"*", composed) is not None
    assert met(b"/*" + acute + b"/x", b"/*/x", composed) is not None
    assert met(b"/?*" + acute, b"**/?*", composed) is not None


def test_patterns_of_two_foldings_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="fold"):
        overlap(compile_pattern(b"/a"), compile_pattern(b"/a", Folding(ignore_case=True)))


def one_needs_the_other_as_a_folder(a: bytes, b: bytes) -> bool:
    """Whether one is a plain path, and all that the other matches lies below it."""
    return any(
        not any(wildcard in plain for wildcard in b"*?[") and other.startswith(plain + b"/")
        for plain, other in ((a, b), (b, a))
    )


def _globs(pieces: list[bytes], generator: random.Random, count: int) -> list[bytes]:
    texts: set[bytes] = set()
    while len(texts) < count:
        names = [
            generator.choice(
                (b"**", b"*", *[b"".join(generator.choices(pieces, k=size)) for size in (1, 2, 3)])
            )
            for _ in range(generator.randrange(1, 4))
        ]
        if {b".", b"..", b".git"}.isdisjoint(names):
            texts.add(canonical(b"/".join(names) + generator.choice((b"", b"", b"/"))))
    return sorted(texts)


def _enumerated(alphabet: str, longest: int, deepest: int) -> list[bytes]:
    words = [
        "".join(letters).encode()
        for size in range(1, longest + 1)
        for letters in itertools.product(alphabet, repeat=size)
    ]
    words = [word for word in words if word not in {b".", b".."}]
    return [
        b"/".join(names)
        for depth in range(1, deepest + 1)
        for names in itertools.product(words, repeat=depth)
    ]


def test_no_path_of_a_small_world_contradicts_the_answer() -> None:
    """Each overlap has a checked witness; where there is none, no enumerated path matches both."""
    generator = random.Random(11)  # noqa: S311 -- to repeat a failure
    paths = _enumerated("ab.", longest=2, deepest=3)
    texts = _globs([b"a", b"b", b".", b"*", b"?", b"[ab]", b"[!a]"], generator, 150)
    matched = [set(filter(pattern.matches, paths)) for pattern in map(compile_pattern, texts)]
    answers = {True: 0, False: 0}
    for (a, in_a), (b, in_b) in itertools.combinations_with_replacement(
        zip(texts, matched, strict=True), 2
    ):
        witness = met(a, b)
        answers[witness is None] += 1
        if witness is None:
            assert not in_a & in_b, (a, b)
        elif not one_needs_the_other_as_a_folder(a, b):
            assert compile_pattern(a).matches(witness)
            assert compile_pattern(b).matches(witness)
    assert min(answers.values()) > 1000


# A second construction that shares nothing with the first: an automaton over the bytes of whole
# paths, made from the text itself.

_ALPHABET = "/abgit.z"
_Automaton = list[list[tuple[str, int]]]


def _automaton(text: str) -> _Automaton:
    """States are lists of (bytes that lead on, next state); "" leads on without one."""
    states: _Automaton = [[]]
    name = _ALPHABET[1:]

    def step(letters: str) -> None:
        states[-1].append((letters, len(states)))
        states.append([])

    text = text.removeprefix("/")
    below = text.endswith("/")
    text = text.rstrip("/")
    plain = not any(wildcard in text for wildcard in "*?[")
    segments = text.split("/") if text else []
    for number, segment in enumerate(segments):
        last = number == len(segments) - 1
        if segment == "**" and not (last and not below):
            here = len(states) - 1  # (name /)*
            states.append([(name, here + 1), ("/", here)])
            states[here].append((name, here + 1))
            step_from = len(states)
            states[here].append(("", step_from))
            states.append([])
            if last:  # `x/**/`: at least one folder
                below = False
                step(name)
                states[-1].append((name, len(states) - 1))
                step("/")
                step(name)
                states[-1].append((_ALPHABET, len(states) - 1))
            continue
        for letter in segment if segment != "**" else "":
            if letter == "*":
                states[-1].append((name, len(states) - 1))
                step("")
            else:
                step(name if letter == "?" else letter)
        if segment == "**":
            step(name)
            states[-1].append((_ALPHABET, len(states) - 1))
        if not last:
            step("/")
    if below and not plain:
        step("/")
    if below and not plain:
        step(name)
        states[-1].append((_ALPHABET, len(states) - 1))
    elif below and text:
        end = len(states) + 1
        states[-1].extend((("", end), ("/", end - 1)))
        states.extend([[(_ALPHABET, end - 1), ("", end)], []])
    elif below:
        states[-1].append((_ALPHABET, len(states) - 1))
    return states


def _closure(automaton: _Automaton, states: Iterable[int]) -> frozenset[int]:
    known = set(states)
    waiting = list(known)
    while waiting:
        for letters, following in automaton[waiting.pop()]:
            if not letters and following not in known:
                known.add(following)
                waiting.append(following)
    return frozenset(known)


def _advanced(automaton: _Automaton, states: frozenset[int], letter: str) -> frozenset[int]:
    return _closure(
        automaton,
        (
            following
            for state in states
            for letters, following in automaton[state]
            if letter in letters
        ),
    )


def _meet_by_automata(a: _Automaton, b: _Automaton) -> bool:
    """Subset construction over both, and over the name read so far (cut where it is harmless)."""
    start = (_closure(a, [0]), _closure(b, [0]), "")
    known, waiting = {start}, [start]
    while waiting:
        in_a, in_b, name = waiting.pop()
        bad = name in {"", ".", "..", ".git"}
        if len(a) - 1 in in_a and len(b) - 1 in in_b and not bad:
            return True
        for letter in _ALPHABET:
            if letter == "/" and bad:
                continue
            longer = "" if letter == "/" else name + letter
            if not any(untracked.startswith(longer) for untracked in ("..", ".git")):
                longer = "harmless"
            state = (_advanced(a, in_a, letter), _advanced(b, in_b, letter), longer)
            if state[0] and state[1] and state not in known:
                known.add(state)
                waiting.append(state)
    return False


def test_a_second_construction_gives_the_same_answers() -> None:
    generator = random.Random(13)  # noqa: S311 -- to repeat a failure
    pieces = [b"a", b"b", b"*", b"?", b".", b".g", b"it", b".gi", b"git", b"t"]
    texts = _globs(pieces, generator, 140)
    automata = [_automaton(text.decode()) for text in texts]
    answers = {True: 0, False: 0}
    for (a, of_a), (b, of_b) in itertools.combinations(zip(texts, automata, strict=True), 2):
        expected = _meet_by_automata(of_a, of_b) or one_needs_the_other_as_a_folder(a, b)
        answers[expected] += 1
        assert (met(a, b) is not None) == expected, (a, b)
    assert min(answers.values()) > 1000


segment = st.one_of(
    st.sampled_from([b"**", b"*", b"src", b"*.py", b"test_*", b".*"]),
    st.lists(
        st.sampled_from(
            [
                b"a",
                b"B",
                b".",
                b"*",
                b"?",
                b"[a-c]",
                b"[!b]",
                b"[[:upper:]]",
                rb"\*",
                b"\xc3\xa9",
                b"\xff",
            ]
        ),
        min_size=1,
        max_size=5,
    ).map(b"".join),
)
glob = (
    st.tuples(st.lists(segment, min_size=1, max_size=4), st.sampled_from([b"", b"/"]))
    .filter(lambda parts: {b".", b".."}.isdisjoint(parts[0]))
    .map(lambda parts: canonical(b"/".join(parts[0]) + parts[1]))
)


@given(a=glob, b=glob, ignore_case=st.booleans())
def test_witnesses_hold_and_either_order_gives_the_same(
    a: bytes, b: bytes, ignore_case: bool
) -> None:
    met(a, b, Folding(ignore_case=ignore_case))


@given(a=glob)
def test_every_pattern_meets_itself_and_the_whole_repository(a: bytes) -> None:
    assert met(a, a) is not None
    assert met(a, b"/") is not None
    assert met(a, b"**") is not None


def test_hostile_pairs_come_to_an_end() -> None:
    stars = b"*a" * 100
    assert met(b"/" + stars + b"*", b"/" + stars.replace(b"a", b"b") + b"*") is not None
    assert met(b"/" + stars + b"*c", b"/" + stars.replace(b"a", b"b") + b"*d") is None
    deep = b"/a" + b"/**/b" * 100
    assert met(deep + b"/c", deep + b"/d") is None
    assert met(deep + b"/*", b"**/" + b"*/" * 300 + b"c") is not None
    members = bytes(byte for byte in range(1, 128) if byte not in b"/]\\[{-") * 32
    assert met(b"/*[" + members + b"]*", b"/[!" + members + b"]*") is not None
