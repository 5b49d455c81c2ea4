"""Errors that stop a run, and untrusted text made safe to print."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatch_trusted_publish import errors
from hatch_trusted_publish.errors import Message, TrustedPublishError, clean, render


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        pytest.param("plain text", "plain text", id="plain"),
        pytest.param("", "", id="empty"),
        pytest.param("404", 404, id="not-a-string"),
        pytest.param("ünïcode 漢字 👍", "ünïcode 漢字 👍", id="letters-of-all-scripts"),
        pytest.param("one two three", "  one\n\ttwo\r\nthree \n", id="white-space"),
        pytest.param("one two three four", "one\u2028two\x85three\x0bfour", id="other-line-ends"),
        pytest.param("?[31mred?[0m", "\x1b[31mred\x1b[0m", id="terminal-escape"),
        pytest.param("?2Jcleared", "\x9b2Jcleared", id="eight-bit-terminal-escape"),
        pytest.param("a?b?c?d", "a\0b\x07c\x7fd", id="control-characters"),
        pytest.param("exe?gnp.elif", "exe\u202egnp.elif", id="right-to-left-override"),
        pytest.param("py?pi", "py\u200bpi", id="zero-width"),
        pytest.param("a?b?c", "a\ud800b\ue000c", id="surrogate-and-private-use"),
        pytest.param("?tagged", "\U000e0001tagged", id="tag-character"),
        pytest.param(r"C:\project\dist", r"C:\project\dist", id="windows-path"),
        pytest.param(r"\\host\share\dist", r"\\host\share\dist", id="windows-share"),
        # GitLab recognizes a section mark only with the carriage return and the escape after it.
        pytest.param("section_start:1795150012:a ?[0Kb", "section_start:1795150012:a\r\x1b[0Kb", id="gitlab-section"),
    ],
)
def test_clean(expected: str, text: object) -> None:
    """Untrusted text becomes one line that neither a terminal nor a log viewer obeys."""
    assert expected == clean(text)


@pytest.mark.parametrize(
    ("expected", "text", "limit"),
    [
        pytest.param("abcde", "abcde", 5, id="as-long-as-the-limit"),
        pytest.param("abcd…", "abcdef", 5, id="longer"),
        pytest.param("…", "abcdef", 1, id="no-room"),
        pytest.param("see …", "see https://x.example/y", 12, id="a-cut-link-is-left-out"),
        pytest.param("https://x…", "https://x.example/y", 10, id="only-a-link"),
    ],
)
def test_clean_is_short(expected: str, text: str, limit: int) -> None:
    """A cut is marked."""
    assert expected == clean(text, limit)


@given(st.text() | st.text(":#[\n\x1b aä\u202e"), st.integers(1, 400))
@settings(deadline=None, max_examples=150)
def test_clean_lets_nothing_through(text: str, limit: int) -> None:
    """Whatever the input: no control or format character, no line end, nothing too long."""
    safe = clean(text, limit)
    assert len(safe) <= limit
    assert not [char for char in safe if unicodedata.category(char)[0] == "C" or (char.isspace() and char != " ")]


ONE = Message("interrupted")


@pytest.mark.parametrize(
    ("expected", "template", "fact"),
    [
        pytest.param("a ?[31m b", "{fact}", "a\n\x1b[31m b", id="string"),
        pytest.param("dist/a.whl", "{fact}", PurePosixPath("dist/a.whl"), id="path"),
        pytest.param("1,048,576", "{fact:,}", 1048576, id="number"),
        pytest.param("true", "{fact}", True, id="boolean"),
        pytest.param("", "{fact}", None, id="none"),
        pytest.param(f"{', '.join('a' * 20)}, {Message('and-more', count=5)}", "{fact}", ["a"] * 25, id="many strings"),
        pytest.param("a, b?c", "{fact}", ["a", "b\x07c"], id="strings"),
        pytest.param(f"{ONE}", "{fact}", ONE, id="message"),
        pytest.param(f"  - {ONE} [interrupted]\n  - {ONE} [interrupted]", "{fact}", (ONE, ONE), id="messages"),
        pytest.param(f"  1. {ONE}\n  2. {ONE}", "{fact:numbered}", [ONE, ONE], id="numbered messages"),
        pytest.param("  a b\n  c", "{fact:lines}", ["a\nb", "c"], id="one string per line"),
        pytest.param("  ref: a b\n  sub: c", "{fact}", {"ref": "a\nb", "sub": "c"}, id="mapping"),
        pytest.param("403: no", "403{fact:?: }", "no", id="section shown"),
        pytest.param("403", "403{fact:?: }", "", id="section left out"),
    ],
)
def test_facts(expected: str, template: str, fact: object) -> None:
    """Each kind of fact is shown in one way, and is safe to print."""
    assert expected == render(template, {"fact": fact})


def test_code() -> None:
    """A message ends with its code; if it lists problems, each of these does."""
    assert f"{ONE} [interrupted]" == str(TrustedPublishError("interrupted"))
    error = TrustedPublishError("interrupted", problems=[ONE, ONE])
    assert ("interrupted", "interrupted") == error.codes
    assert not str(error).endswith("[interrupted]")
    assert Message("interrupted", causes=[ONE]).coded.endswith("[interrupted]")


def test_a_title_at_the_start() -> None:
    """A sentence that starts with an index starts with a capital letter, if the index has no name of its own."""
    starts = [str(Message("mint-ended", index=index))[:9] for index in ("the rehearsal index", "pypi.x")]
    assert ["The rehea", "pypi.x ac"] == starts


def test_reason() -> None:
    """A reason is the short cause of an error, for a message with other advice."""
    assert ONE == TrustedPublishError("interrupted").reason
    assert ONE == TrustedPublishError("interrupted", reason=ONE).reason


def test_equality() -> None:
    """Messages with the same code and facts are equal."""
    assert Message("x", a=1) == Message("x", a=1)
    assert Message("x", a=1) != Message("x", a=2)


def test_one_root() -> None:
    """Every error of this package derives from the one that the publisher catches."""
    defined = [thing for thing in vars(errors).values() if isinstance(thing, type) and issubclass(thing, BaseException)]
    assert not [kind for kind in defined if not issubclass(kind, TrustedPublishError)]
    assert not [kind for kind in defined if not kind.__doc__]
