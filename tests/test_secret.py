"""A secret is never shown."""

from __future__ import annotations

import base64
import copy
import io
import json
import logging
import pickle
import pprint
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatch_trusted_publish.secret import Secret, redacted, repeats

TEXT = "pypi-AgEIcHlwaS5vcmc"


@dataclass(frozen=True, slots=True)
class Holder:
    """An object with a token, as an upload has."""

    token: Secret


def as_logged(secret: Secret) -> str:
    """Return what a log shows of it."""
    stream = io.StringIO()
    logger = logging.Logger("tests")
    logger.addHandler(logging.StreamHandler(stream))
    logger.error("the token is %s, %r", secret, {"token": secret})
    return stream.getvalue()


def as_traceback(secret: Secret) -> str:
    """Return what a traceback with locals shows of it."""
    try:
        holder = Holder(secret)
        raise RuntimeError(holder)
    except RuntimeError as error:
        return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


@pytest.mark.parametrize(
    "show",
    [
        pytest.param(repr, id="repr"),
        pytest.param(str, id="str"),
        pytest.param(ascii, id="ascii"),
        pytest.param(lambda secret: f"{secret}{secret!r}{secret!s}", id="f-string"),
        pytest.param(lambda secret: "%s %r" % (secret, secret), id="percent"),  # noqa: UP031
        pytest.param(lambda secret: repr([secret, {"a": secret}]), id="in-a-list"),
        pytest.param(lambda secret: repr(Holder(secret)), id="in-a-dataclass"),
        pytest.param(pprint.pformat, id="pprint"),
        pytest.param(as_logged, id="logging"),
        pytest.param(as_traceback, id="traceback-with-locals"),
    ],
)
def test_is_redacted(show: Callable[[Secret], str]) -> None:
    """No way of printing it shows the string."""
    shown = show(Secret(TEXT))
    assert "Secret(***)" in shown
    assert TEXT not in shown


def test_redacted_whole() -> None:
    """The output shows that there is a secret, and nothing about its length."""
    expected = "Secret(***)"
    assert expected == repr(Secret(TEXT)) == str(Secret(""))


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(pickle.dumps, id="pickle"),
        pytest.param(copy.copy, id="copy"),
        pytest.param(copy.deepcopy, id="deepcopy"),
        pytest.param(lambda secret: asdict(Holder(secret)), id="asdict"),
    ],
)
def test_is_not_written(write: Callable[[Secret], object]) -> None:
    """No conversion extracts the string."""
    with pytest.raises(TypeError) as caught:
        write(Secret(TEXT))
    expected = "a secret is not written anywhere"
    assert expected == str(caught.value)


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(json.dumps, id="json"),
        pytest.param(vars, id="vars"),
        pytest.param(lambda secret: format(secret, ">80"), id="format-with-a-width"),
        pytest.param(bytes, id="bytes"),
        pytest.param(lambda secret: "-" + secret, id="concatenated"),
    ],
)
def test_is_not_a_string(read: Callable[[Secret], object]) -> None:
    """Operations that need a string fail, and the error does not show the secret."""
    with pytest.raises(TypeError) as caught:
        read(Secret(TEXT))
    assert TEXT not in str(caught.value)


def test_reveal() -> None:
    """Only `reveal` returns the string; two secrets are never equal, so that none can be guessed by comparing."""
    one, other = Secret(TEXT), Secret(TEXT)
    assert TEXT == one.reveal() == other.reveal()
    assert one != other


LONG = "pypi-AgEIcHlwaS5vcmcCJDAwMDAtMDAwMC0wMDAw_x+y/z"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(f"token {LONG} is bad", "token *** is bad", id="plain"),
        pytest.param(f"{LONG[:7]}\n  {LONG[7:20]}\r\n{LONG[20:]}!", "***!", id="broken over lines"),
        pytest.param(f"{LONG}, {LONG}", "***, ***", id="twice"),
        pytest.param(f"{LONG}{LONG}", "***", id="twice, at once"),
        pytest.param("\u200b".join(LONG), "***", id="with invisible characters between"),
        pytest.param("no secret", "no secret", id="absent"),
        pytest.param("", "", id="empty text"),
        pytest.param(LONG[:-1], LONG[:-1], id="part of it"),
    ],
)
def test_is_struck_out(text: str, expected: str) -> None:
    """A secret in untrusted text is found, even if its parts are separated."""
    assert expected == redacted(text, [Secret("another"), Secret(LONG)])


@pytest.mark.parametrize("before", ["", "_", "__", "__token__:"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode, base64.encodebytes])
def test_is_struck_out_of_base64(encode: Callable[[bytes], bytes], before: str) -> None:
    """A secret in Base64 is found, at any offset, also broken over lines."""
    shown = redacted(encode((before + LONG + "#").encode()).decode(), [Secret(LONG)])
    assert len(shown) < 4 * len(before) // 3 + 12
    assert "***" in shown


@given(st.text(max_size=60), st.text(min_size=1, max_size=30), st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_no_secret_survives(before: str, secret: str, after: str) -> None:
    """Whatever surrounds it, no secret with a letter or digit is left; text without one is unchanged."""
    shown = redacted(before + secret + after, [Secret(secret)])
    comparable = any(char.isascii() and char.isalnum() for char in secret)
    assert ("***" in shown or "***" in before + after) if comparable else shown == before + secret + after


def test_a_secret_of_nothing() -> None:
    """An empty secret matches nothing."""
    assert "text" == redacted("text", [Secret(""), Secret("...")])


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        pytest.param([], False, id="empty"),
        pytest.param(["no secret", LONG[:-3]], False, id="other strings"),
        pytest.param(["no secret", f"a{LONG}b"], True, id="plain"),
        pytest.param([base64.b64encode(LONG.encode()).decode()], True, id="encoded"),
        pytest.param(["a-short-secret.whl"], False, id="a secret that may be a word"),
    ],
)
def test_repeats(texts: list[str], expected: bool) -> None:
    """A list of files that repeats a token is found."""
    assert expected == repeats(texts, [Secret("short"), Secret(LONG)])
    assert not repeats(texts, [])
