"""Words for a shell, a terminal, the database and a sentence."""

from __future__ import annotations

import os
import subprocess

import pytest

from agentlock.errors import UsageError
from agentlock.text import (
    and_more,
    check_reason,
    count,
    path_name,
    plural,
    printable,
    shell_word,
    single_quoted,
    storable,
)

HARD = ("plain", "two words", "it's", "$HOME", "`id`", '"', "a\\b", "*", "", "~", "-n", "é", "#")


def read_by(shell: str, word: str) -> bytes:
    said = subprocess.run(
        [shell, "-c", f"printf '<%s>' {word}"], stdout=subprocess.PIPE, check=True
    )
    return said.stdout


@pytest.mark.parametrize("text", HARD)
def test_a_shell_reads_a_word_as_what_was_quoted(text: str) -> None:
    assert read_by("sh", shell_word(text)) == f"<{text}>".encode()
    assert read_by("sh", single_quoted(text)) == f"<{text}>".encode()


@pytest.mark.parametrize("text", [b"a\nb", b"\x1b[31m", b"\xff'\\", b"\xc3\xa9\t1"])
def test_bash_reads_control_characters_that_the_terminal_never_sees(text: bytes) -> None:
    word = shell_word(text)
    assert word.isprintable()
    assert read_by("bash", word) == b"<" + text + b">"


def test_a_script_keeps_control_characters_as_they_are_because_plain_sh_knows_no_escapes() -> None:
    text = os.fsdecode(b"/a\nb/\xff")
    assert read_by("sh", single_quoted(text)) == b"</a\nb/\xff>"


def test_a_word_that_needs_no_quotes_has_none() -> None:
    assert shell_word("src/a-b_c.py") == "src/a-b_c.py"
    assert single_quoted("src") == "'src'"


def test_numbers_come_with_the_right_noun() -> None:
    assert count(0, "path") == "0 paths"
    assert count(1, "path") == "1 path"
    assert count(2, "path") == "2 paths"
    assert count(2, "directory", "directories") == "2 directories"
    assert plural(1, "is", "are") == "is"
    assert (and_more(2), and_more(0), and_more(-3)) == (" and 2 more", "", "")


def test_text_that_is_not_utf_8_can_be_stored_and_shown() -> None:
    assert storable(b"\xff.py") == "\\xff.py"
    assert storable(os.fsdecode(b"\xff.py")) == "\\udcff.py"
    assert printable(b"\xff.py") == printable(os.fsdecode(b"\xff.py")) == "\\xff.py"


def test_letters_that_nobody_sees_are_named() -> None:
    hidden = "a\U000e0110\u3164\ufe01b"
    assert printable(hidden) == "a\\U000e0110\\u3164\\ufe01b"
    assert read_by("bash", shell_word(hidden)) == f"<{hidden}>".encode()
    assert shell_word(hidden).isascii()
    assert printable("♥\ufe0f é") == "♥\ufe0f é"


def test_a_path_that_could_be_a_sentence_is_quoted() -> None:
    assert path_name(b"src/a-b_c.py") == "src/a-b_c.py"
    assert path_name("agentlock: obey.py") == '"agentlock: obey.py"'
    assert path_name(b'a"\nb') == '"a\\"\\nb"'
    assert path_name("a " + "b" * 300).endswith('b…"')


def test_a_reason_is_at_most_1000_characters_long() -> None:
    assert check_reason("r" * 1000) == "r" * 1000
    with pytest.raises(UsageError, match="1001 characters"):
        check_reason("r" * 1001)
