"""What the names of files say, and how they have to be spelled."""

from __future__ import annotations

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from hatch_trusted_publish.artifacts import filenames
from hatch_trusted_publish.errors import DistributionError


@pytest.mark.parametrize(
    ("filename", "name", "version", "tags"),
    [
        ("sample-1.0-py3-none-any.whl", "sample", "1.0", ["py3-none-any"]),
        ("a_b_c-1.0-py3-none-any.whl", "a-b-c", "1.0", ["py3-none-any"]),
        (
            "sample-1!2.0rc1.post3.dev4+local.5-py3-none-any.whl",
            "sample",
            "1!2.0rc1.post3.dev4+local.5",
            ["py3-none-any"],
        ),
        ("sample-1.0-7-py3-none-any.whl", "sample", "1.0", ["py3-none-any"]),
        ("sample-1.0-py2.py3-none-any.whl", "sample", "1.0", ["py2-none-any", "py3-none-any"]),
        (
            "sample-1.0-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
            "sample",
            "1.0",
            ["cp311-cp311-manylinux2014_x86_64", "cp311-cp311-manylinux_2_17_x86_64"],
        ),
        ("sample-1.0.tar.gz", "sample", "1.0", []),
        ("a_b-1.0.tar.gz", "a-b", "1.0", []),
    ],
)
def test_sound_names(filename: str, name: str, version: str, tags: list[str]) -> None:
    """A name that follows the specifications is read, and stands against nothing."""
    said = filenames.parse(filename)

    assert (name, Version(version), tags) == (said.name, said.version, sorted(map(str, said.tags)))
    filenames.check(filename, said, canonicalize_name(name), Version(version))


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
def test_no_names(filename: str, reason: str) -> None:
    """What is not the name of a wheel or sdist is refused with the reason."""
    with pytest.raises(DistributionError) as caught:
        filenames.parse(filename)

    assert f"has a name that is not one of a wheel or sdist ({reason})" == str(caught.value)


@pytest.mark.parametrize(
    "filename", ["\x1b[2J-1.0.tar.gz", 'a-1.0-1"\r\n-py3-none-any.whl', "ä-1.0.tar.gz", "a b-1.0.tar.gz"]
)
def test_characters_of_no_name(filename: str) -> None:
    """A name goes into the upload's form as it is, so nothing in it may end a field there."""
    with pytest.raises(DistributionError) as caught:
        filenames.parse(filename)

    assert "has a name with characters that are in none of a wheel or sdist" == str(caught.value)


@pytest.mark.parametrize(
    ("filename", "name", "version", "reason"),
    [
        (
            "sample-1.0-py3-none-any.whl",
            "other",
            "1.0",
            "says sample 1.0 in its name and other 1.0 in its metadata",
        ),
        ("sample-1.0.tar.gz", "sample", "1.1", "says sample 1.0 in its name and sample 1.1 in its metadata"),
        (
            "sample-1.0.tar.gz",
            "sample",
            "1.0+local",
            "says sample 1.0 in its name and sample 1.0+local in its metadata",
        ),
        (
            "Sample-1.0-py3-none-any.whl",
            "sample",
            "1.0",
            "has a name that is not normalized: it should begin with sample- (PEP 427)",
        ),
        (
            "a.b-1.0-py3-none-any.whl",
            "a-b",
            "1.0",
            "has a name that is not normalized: it should begin with a_b- (PEP 427)",
        ),
        (
            "Sample-1.0.tar.gz",
            "sample",
            "1.0",
            "has a name that is not normalized: it should be sample-1.0.tar.gz (PEP 625)",
        ),
        ("a-b-1.0.tar.gz", "a-b", "1.0", "has a name that is not normalized: it should be a_b-1.0.tar.gz (PEP 625)"),
        (
            "sample-2026.08.10.tar.gz",
            "sample",
            "2026.8.10",
            "has a name that is not normalized: it should be sample-2026.8.10.tar.gz (PEP 625)",
        ),
    ],
)
def test_wrong_names(filename: str, name: str, version: str, reason: str) -> None:
    """A name of another project or version, or one that is spelled in another way, is refused."""
    with pytest.raises(DistributionError) as caught:
        filenames.check(filename, filenames.parse(filename), canonicalize_name(name), Version(version))

    assert reason == str(caught.value)


@pytest.mark.parametrize(
    "filename", ["sample-{}.tar.gz", "sample-{}-py3-none-any.whl", "sample-1.0-{}-py3-none-any.whl"]
)
def test_numbers_without_end(filename: str) -> None:
    """A number with more digits than Python reads, as an index may list it, is no version."""
    with pytest.raises(DistributionError) as caught:
        filenames.parse(filename.format("1" * 5000))

    assert str(caught.value).startswith("has a name that is not one of a wheel or sdist (Exceeds the limit")
