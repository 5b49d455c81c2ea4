"""Core metadata that PyPI rejects; most of it is in the recorded verdicts (tests/rehearsal/test_verdicts.py)."""

from __future__ import annotations

import sys

import pytest

from hatch_trusted_publish.artifacts.pypi import Refusal, metadata

FORM = [("metadata_version", "2.4"), ("name", "a"), ("version", "1.0")]
SEE = "See https://packaging.python.org/specifications/core-metadata for more information."
RENDER = "See https://pypi.org/help/#description-content-type for more information."


def said(*fields: tuple[str, str]) -> list[str]:
    """Return PyPI's words about these fields; *fields* replace those of the same name."""
    names = {name for name, _ in fields}
    form = [*(pair for pair in FORM if pair[0] not in names), *fields]
    return [one.said for one in metadata.refusals(form)]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", "1.0.post1"),
        ("summary", "x" * 512),
        ("author_email", ""),
        ("author_email", "A B <a.b@example.org>, no address"),
        ("maintainer_email", "ü@exämple.org"),
        ("classifiers", "Framework :: Hatch"),
        ("home_page", "http://example.org"),
        ("home_page", "UNKNOWN"),
        ("home_page", ""),
        ("license_expression", ""),
        ("description_content_type", ""),
        ("download_url", "https://example.org/a%20b?c#d"),
        ("project_urls", "x" * 32 + ", https://example.org"),
        ("requires_dist", "b"),
        ("provides_dist", "b (>=1)"),
        ("requires", "anything !!"),
        ("no_such_field", "x"),
    ],
)
def test_accepted(field: str, value: str) -> None:
    """PyPI accepts these."""
    assert [] == said((field, value))


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("name", "a b", "'a b' is invalid for 'name'"),
        ("version", "one", "'one' is invalid for 'version'"),
        ("summary", "x" * 513, "'summary' field must be 512 characters or less"),
        (
            "maintainer_email",
            "root",
            "'root' is not a valid email address: An email address must have an @-sign",
        ),
        ("classifiers", "Private :: Do Not Upload", "'Private :: Do Not Upload' is not a valid classifier"),
        (
            "classifiers",
            "Topic :: Communications :: Chat :: AOL Instant Messenger",
            "The classifier 'Topic :: Communications :: Chat :: AOL Instant Messenger' has been deprecated",
        ),
        ("home_page", "example.org", "'example.org' is not a valid url"),
        ("dynamic", "dynamic", "Dynamic field 'dynamic' is not a valid dynamic field"),
        ("download_url", "ftp://example.org", "'ftp://example.org' is not a valid url"),
        ("project_urls", "https://example.org", "Must have a URL"),
        ("project_urls", "A,", "Must have a URL"),
        ("project_urls", ", https://example.org", "Must have a label"),
        ("project_urls", "x" * 33 + ", https://example.org", f"'{'x' * 33}' must be 32 characters or less"),
        ("requires_dist", "b @ https://x.example", "Can't have direct dependency: b @ https://x.example"),
        ("obsoletes_dist", "b @ https://x.example", "Can't have direct dependency: 'b @ https://x.example'"),
    ],
)
def test_rejected(field: str, value: str, expected: str) -> None:
    """PyPI rejects these, in these words."""
    assert [f"{expected}. {SEE}"] == said((field, value))


def test_two_licenses() -> None:
    """PyPI accepts either License or License-Expression, not both."""
    expected = "License is deprecated when License-Expression is present. Only License-Expression should be present."
    assert [f"{expected} {SEE}"] == said(("license", "MIT"), ("license_expression", "MIT"))


def test_local_version() -> None:
    """A local version has its own message."""
    local = "https://packaging.python.org/en/latest/specifications/version-specifiers/#local-version-identifiers"
    expected = f"The use of local versions in '1.0+x' is not allowed. See {local} for more information."
    assert [expected] == said(("version", "1.0+x"))


@pytest.mark.parametrize(("version", "is_certain"), [("2.0", True), ("2.6", False), ("9.9", False), ("x", True)])
def test_metadata_version(version: str, is_certain: bool) -> None:
    """A metadata version newer than these rules may be accepted today."""
    (refusal,) = metadata.refusals([("metadata_version", version), *FORM[1:]])

    assert Refusal("bad-metadata", f"{version!r} is not a valid metadata version. {SEE}", is_certain) == refusal


def test_order() -> None:
    """Metadata version, name and version come first, then the other fields by name, and the README."""
    rst = [("description", "`x`_ |y|"), ("description_content_type", "text/x-rst")]
    found = said(*rst, ("summary", "x" * 600), ("home_page", "x"), ("version", "1+x"))

    assert ["The use of local", "'x' is not a val", "'summary' field ", "The description "] == [
        one[:16] for one in found
    ]


def test_order_of_classifiers() -> None:
    """Unknown classifiers come before deprecated ones."""
    names = ["Natural Language :: Ukranian", "Z"]
    assert ["'Z' is not a val", "The classifier '"] == [
        one[:16] for one in said(*(("classifiers", one) for one in names))
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [("license", "MIT"), ("keywords", "a"), ("project_urls", "Home, https://example.org"), ("summary", "x")],
)
def test_given_twice(first: str, second: str) -> None:
    """A single-value field with two values is rejected."""
    assert [f"{first!r} has invalid data. {SEE}"] == said((first, second), (first, second))


README = {
    "text/markdown": "# Title\n\n[a](b",
    "text/markdown; charset=UTF-8; variant=CommonMark": "# Title",
    "text/plain": "`x`_",
    "text/x-rst": "Title\n=====",
    "text/x-rst; charset=UTF-8": "",
}


@pytest.mark.parametrize("content_type", README)
def test_description(content_type: str) -> None:
    """A README that PyPI can show."""
    assert [] == said(("description", README[content_type]), ("description_content_type", content_type))


@pytest.mark.parametrize(
    ("text", "content_type"),
    [
        ("Title\n==", "text/x-rst"),
        (".. include:: /etc/passwd", "text/x-rst; charset=UTF-8"),
        ("<!-- only a comment", "text/markdown"),
    ],
)
def test_broken_description(text: str, content_type: str) -> None:
    """A README that PyPI cannot show."""
    fields = [("description", text), ("description_content_type", content_type)]
    found = said(*fields)

    assert [f"The description failed to render for {content_type!r}. {RENDER}"][: len(found)] == found


def test_detail_of_a_broken_description() -> None:
    """The first problem that the renderer reports is kept."""
    (refusal,) = metadata.refusals([*FORM, ("description", "Title\n=====\n\n:mod:`x` and |y|")])

    assert refusal.detail.startswith("line 4: (ERROR/3) ")


def test_a_large_description() -> None:
    """A README that takes long to render is left to PyPI."""
    text = "`x`_".ljust(metadata.LARGEST_README)
    assert (1, 0) == (len(said(("description", text))), len(said(("description", f"{text} "))))


def test_description_without_a_type() -> None:
    """A README without a content type counts as reStructuredText."""
    expected = f"The description failed to render in the default format of reStructuredText. {RENDER}"
    assert ([expected], []) == (said(("description", "`x`_")), said(("description", "x")))


@pytest.mark.parametrize(
    ("library", "field", "value"),
    [
        ("trove_classifiers", "classifiers", "No :: Such"),
        ("email_validator", "author_email", "root"),
        ("rfc3986", "home_page", "x"),
        ("readme_renderer.rst", "description", "`x`_"),
    ],
)
def test_without_a_library(monkeypatch: pytest.MonkeyPatch, library: str, field: str, value: str) -> None:
    """Without its library, a check is left to PyPI."""
    assert [] != said((field, value))
    monkeypatch.setitem(sys.modules, library, None)

    assert [] == said((field, value))


def test_without_markdown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Markdown is an extra of the library that renders READMEs."""
    monkeypatch.setattr("readme_renderer.markdown.variants", {})

    assert [] == said(("description", "# Title"), ("description_content_type", "text/markdown"))


def test_a_renderer_that_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """If a README breaks the renderer, PyPI answers with an error."""

    def breaks(*_: object, **__: object) -> None:
        raise RecursionError

    monkeypatch.setattr("readme_renderer.rst.render", breaks)

    assert 1 == len(said(("description", "x")))


def test_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The missing libraries are named as on PyPI."""
    before = metadata.skipped()
    monkeypatch.setattr(metadata, "LIBRARIES", ("no_such_library", "packaging"))

    assert ([], ["no-such-library"]) == (before, metadata.skipped()[:1])


def test_skipped_markdown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing Markdown extra is named, too."""
    monkeypatch.setattr("readme_renderer.markdown.variants", {})

    assert ["readme-renderer[md]"] == metadata.skipped()
