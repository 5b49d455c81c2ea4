"""The parts of a file name, and its spelling."""

from __future__ import annotations

import pytest
from packaging.version import Version

from hatch_trusted_publish.artifacts import filenames
from hatch_trusted_publish.errors import DistributionError, Message


@pytest.mark.parametrize(
    ("filename", "name", "version"),
    [
        ("sample-1.0-py3-none-any.whl", "sample", "1.0"),
        ("a_b_c-1.0-py3-none-any.whl", "a-b-c", "1.0"),
        ("sample-1!2.0rc1.post3.dev4+local.5-py3-none-any.whl", "sample", "1!2.0rc1.post3.dev4+local.5"),
        ("sample-1.0-7-py3-none-any.whl", "sample", "1.0"),
        ("sample-1.0-py2.py3-none-any.whl", "sample", "1.0"),
        ("sample-1.0-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", "sample", "1.0"),
        ("sample-1.0.tar.gz", "sample", "1.0"),
        ("a_b-1.0.tar.gz", "a-b", "1.0"),
    ],
)
def test_valid_names(filename: str, name: str, version: str) -> None:
    """A name that follows the specifications is read, and is normalized."""
    said = filenames.parse(filename, filename)

    assert (name, Version(version)) == said
    assert filename == filenames.normalized(filename, said.name, said.version)


@pytest.mark.parametrize(
    ("filename", "reason"),
    [
        ("sample.whl", "Invalid wheel filename (wrong number of parts): 'sample'"),
        ("sample-1.0-any.whl", "Invalid wheel filename (wrong number of parts): 'sample-1.0-any'"),
        ("sample-x-py3-none-any.whl", "Invalid wheel filename (invalid version): 'sample-x-py3-none-any'"),
        ("sample-1.0-x-py3-none-any.whl", "Invalid build number: x in 'sample-1.0-x-py3-none-any'"),
        ("sa__mple-1.0-py3-none-any.whl", "Invalid project name: 'sa__mple-1.0-py3-none-any'"),
        ("sample.tar.gz", "Invalid sdist filename: 'sample.tar.gz'"),
        ("sample-x.tar.gz", "Invalid sdist filename (invalid version): 'sample-x.tar.gz'"),
    ],
)
def test_invalid_names(filename: str, reason: str) -> None:
    """A name that is not a wheel's or an sdist's is refused with the reason."""
    with pytest.raises(DistributionError) as caught:
        filenames.parse(filename, f"dist/{filename}")

    message = caught.value.message
    assert ("invalid-file-name", f"dist/{filename}", reason) == (
        message.code,
        message.facts["file"],
        str(message.facts["said"]),
    )


@pytest.mark.parametrize(
    "filename", ["\x1b[2J-1.0.tar.gz", 'a-1.0-1"\r\n-py3-none-any.whl', "ä-1.0.tar.gz", "a b-1.0.tar.gz"]
)
def test_characters_outside_of_names(filename: str) -> None:
    """A name is copied into the upload form, so no character in it may end a field there."""
    with pytest.raises(DistributionError) as caught:
        filenames.parse(filename, "x")

    assert Message("unsafe-file-name", file="x") == caught.value.message


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("Sample-1.0-py3-none-any.whl", "sample-1.0-py3-none-any.whl"),
        ("a.b-1.0.0-1-py3-none-any.whl", "a_b-1.0.0-1-py3-none-any.whl"),
        ("Sample-1.0.tar.gz", "sample-1.0.tar.gz"),
        ("a-b-1.0.tar.gz", "a_b-1.0.tar.gz"),
        ("sample-2026.08.10.tar.gz", "sample-2026.8.10.tar.gz"),
    ],
)
def test_normalized(filename: str, expected: str) -> None:
    """A wheel's name needs the normalized project name, an sdist's also the normalized version."""
    said = filenames.parse(filename, filename)

    assert expected == filenames.normalized(filename, said.name, said.version)


@pytest.mark.parametrize(
    "filename", ["sample-{}.tar.gz", "sample-{}-py3-none-any.whl", "sample-1.0-{}-py3-none-any.whl"]
)
def test_numbers_without_end(filename: str) -> None:
    """A number with more digits than Python parses, as an index may list it, is not a version."""
    with pytest.raises(DistributionError) as caught:
        filenames.parse(filename.format("1" * 5000), "x")

    assert "invalid-file-name" == caught.value.message.code
