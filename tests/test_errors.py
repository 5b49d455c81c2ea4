"""What stops a run, and foreign text made safe to print."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hatch_trusted_publish import errors
from hatch_trusted_publish.errors import PlanError, SettingsError, TrustedPublishError, clean


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        pytest.param("plain text", "plain text", id="plain"),
        pytest.param("", "", id="empty"),
        pytest.param("404", 404, id="not-a-text"),
        pytest.param("ünïcode 漢字 👍", "ünïcode 漢字 👍", id="letters-of-all-scripts"),
        pytest.param("one two three", "  one\n\ttwo\r\nthree \n", id="white-space"),
        pytest.param("one two three four", "one\u2028two\x85three\x0bfour", id="other-line-ends"),
        pytest.param("?[31mred?[0m", "\x1b[31mred\x1b[0m", id="terminal-escape"),
        pytest.param("?2Jcleared", "\x9b2Jcleared", id="eight-bit-terminal-escape"),
        pytest.param("a?b?c?d", "a\0b\x07c\x7fd", id="control-characters"),
        pytest.param("exe?gnp.elif", "exe\u202egnp.elif", id="right-to-left-override"),
        pytest.param("py?pi", "py\u200bpi", id="no-width"),
        pytest.param("a?b?c", "a\ud800b\ue000c", id="surrogate-and-private-use"),
        pytest.param("?tagged", "\U000e0001tagged", id="tag-character"),
        pytest.param(": :set-env name=A: :b", "::set-env name=A::b", id="github-command"),
        pytest.param("x : :add-mask: :b", "x\n::add-mask::b", id="github-command-on-its-own-line"),
        pytest.param(": : : :", "::::", id="colons"),
        pytest.param("# #[error]no", "##[error]no", id="github-annotation"),
        pytest.param("a # #[group]b", "a ##[group]b", id="github-group-within-a-line"),
        pytest.param("# # #[debug]", "###[debug]", id="github-annotation-behind-a-hash"),
        pytest.param("# #vso[task.setvariable variable=A]b", "##vso[task.setvariable variable=A]b", id="azure-command"),
        pytest.param(r"C:\project\dist", r"C:\project\dist", id="windows-path"),
        pytest.param(r"\\host\share\dist", r"\\host\share\dist", id="windows-share"),
        # GitLab reads a section mark only with the carriage return and the escape behind it.
        pytest.param("section_start:1795150012:a ?[0Kb", "section_start:1795150012:a\r\x1b[0Kb", id="gitlab-section"),
    ],
)
def test_clean(expected: str, text: object) -> None:
    """Foreign text becomes one line that neither a terminal nor a log viewer obeys."""
    assert expected == clean(text)


@pytest.mark.parametrize(
    ("expected", "text", "limit"),
    [
        pytest.param("abcde", "abcde", 5, id="as-long-as-the-limit"),
        pytest.param("abcd…", "abcdef", 5, id="longer"),
        pytest.param("…", "abcdef", 1, id="no-room"),
        pytest.param(": : …", "::::::", 5, id="longer-once-it-is-inert"),
    ],
)
def test_clean_is_short(expected: str, text: str, limit: int) -> None:
    """What is cut off is shown to be missing."""
    assert expected == clean(text, limit)


@given(st.text() | st.text(":#[\n\x1b aä\u202e"), st.integers(1, 400))
@example("::" * 500, 300)
@settings(deadline=None, max_examples=150)
def test_clean_lets_nothing_through(text: str, limit: int) -> None:
    """Whatever comes in: no control or format character, no line end, no command, nothing too long."""
    inert = clean(text, limit)
    assert len(inert) <= limit
    assert not [char for char in inert if unicodedata.category(char)[0] == "C" or (char.isspace() and char != " ")]
    assert not [mark for mark in ("::", "##[", "##") if mark in inert]


@pytest.mark.parametrize("kind", [SettingsError, PlanError])
def test_several_problems(kind: type[SettingsError | PlanError]) -> None:
    """All problems are told under one heading, and can be taken apart again."""
    problems = ("the one", "the other")
    error = kind("These are wrong:", problems)
    expected = "These are wrong:\n  - the one\n  - the other"
    assert expected == str(error)
    assert problems == error.problems


def test_one_root() -> None:
    """Every error that this package defines is under the one that the publisher catches."""
    defined = [thing for thing in vars(errors).values() if isinstance(thing, type) and issubclass(thing, BaseException)]
    assert not [kind for kind in defined if not issubclass(kind, TrustedPublishError)]
    assert not [kind for kind in defined if not kind.__doc__]


def test_what_ends_a_run() -> None:
    """Whatever goes wrong ends the run, but for a file that is not what it was: the others may be."""
    defined = [thing for thing in vars(errors).values() if isinstance(thing, type) and issubclass(thing, BaseException)]
    assert {errors.DistributionError} == {kind for kind in defined if not kind.ends_the_run}  # type: ignore[attr-defined]


def test_what_a_network_error_says_of_itself() -> None:
    """Without being told otherwise, the index may have acted, and trying again is of no use."""
    error = errors.NetworkError("x")
    assert ("", True, False) == (error.what, error.was_sent, error.can_pass)
