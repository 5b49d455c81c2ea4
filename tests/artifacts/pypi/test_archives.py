"""PyPI's checks of the contents of wheels and sdists."""

from __future__ import annotations

import bz2
import gzip
import io
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatch_trusted_publish.artifacts.pypi.archives import LARGEST_SCANNED, refusals

WHEEL, SDIST, ZIP = "a_b-1.0-py3-none-any.whl", "a_b-1.0.tar.gz", "a_b-1.0.zip"
INFO = "a_b-1.0.dist-info"
BAD = "Invalid distribution file. "
SEE = "See https://docs.pypi.org/archives for more information"
POLICY = "See https://pypi.org/policy/acceptable-use-policy/ for more information."
NEEDED = {f"{INFO}/METADATA": b"", f"{INFO}/WHEEL": b"", f"{INFO}/RECORD": b"a,,\n"}


def said(data: bytes, filename: str, *license_files: str) -> list[str]:
    return list(refusals(io.BytesIO(data), filename, license_files))


def zip_of(files: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def tar_of(*members: tuple[str, bytes], **changes: object) -> bytes:
    """Return a gzipped tar file; *changes* apply to its last member."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for number, (name, content) in enumerate(members, 1):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in changes.items() if number == len(members) else ():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def sparse() -> bytes:
    """Return an sdist with a file whose holes are left out."""
    info = tarfile.TarInfo("a_b-1.0/x")
    info.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": "1"}
    info.size = 1
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("a_b-1.0/PKG-INFO"))
        archive.addfile(info, io.BytesIO(b"x"))
    return file.getvalue()


def encrypted(data: bytes) -> bytes:
    """Return the same wheel with its first member marked as encrypted."""
    changed = bytearray(data)
    for magic, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        changed[data.index(magic) + offset] |= 1
    return bytes(changed)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(zip_of(NEEDED), [], id="valid"),
        pytest.param(zip_of({**NEEDED, "a.py": b"x = 1"}, zipfile.ZIP_DEFLATED), [], id="deflated"),
        pytest.param(b"no zip", [f"{BAD}File is not a zipfile"], id="not a zip file"),
        pytest.param(zip_of(NEEDED)[:-22] + b"PK\5\6" + b"\xff" * 18, [f"{BAD}None"], id="broken directory"),
        pytest.param(
            zip_of({**NEEDED, "a.bin": bytes(65 * 1024**2)}, zipfile.ZIP_DEFLATED),
            [f"{BAD}File exceeds compression ratio of 50"],
            id="bomb",
        ),
        pytest.param(
            zip_of(NEEDED, zipfile.ZIP_BZIP2), [f"{BAD}File does not use a supported compression type"], id="bzip2"
        ),
        pytest.param(zip_of({**NEEDED, f"{INFO}/WHEEL": b"x: 1"}).replace(b"x: 1", b"x: 2"), [f"{BAD}None"], id="CRC"),
        pytest.param(zip_of({"x/WHEEL": b""}), [f"{BAD}WHEEL not found at {INFO}/WHEEL"], id="no WHEEL"),
        pytest.param(zip_of(NEEDED) + b"x", [f"{BAD}ZIP archive not accepted: Trailing data. {SEE}"], id="framing"),
        pytest.param(
            zip_of({**NEEDED, "A.PY": b"__pyarmor%s__" % b"_enter"}),
            [f"{BAD}PyArmor-encrypted content is not allowed. {POLICY}"],
            id="PyArmor",
        ),
        pytest.param(
            zip_of({**NEEDED, "a.pye": b"---END %s FILE---\n---BEGIN %s FILE---" % (b"PYE", b"PYE")}),
            [f"{BAD}SourceDefender-encrypted content is not allowed. {POLICY}"],
            id="SourceDefender",
        ),
        pytest.param(zip_of({**NEEDED, "a.pye": b"---BEGIN %s FILE---" % b"PYE"}), [], id="half of SourceDefender"),
        pytest.param(
            zip_of(
                {
                    **NEEDED,
                    "a.txt": b"__pyarmor%s__" % b"_enter",
                    "b.py": bytes(LARGEST_SCANNED) + b"__pyarmor%s__" % b"_exit",
                }
            ),
            [],
            id="not scanned",
        ),
        pytest.param(encrypted(zip_of({"a.py": b"x", **NEEDED})), [f"{BAD}None"], id="encrypted"),
        pytest.param(
            zip_of({f"{INFO}/WHEEL": b""}),
            [
                f"Wheel '{WHEEL}' does not contain the required {one} file: {INFO}/{one}"
                for one in ("RECORD", "METADATA")
            ],
            id="no RECORD and no METADATA",
        ),
        *[
            pytest.param(
                zip_of({**NEEDED, f"{INFO}/RECORD": record}),
                [f"Wheel '{WHEEL}' does not contain the required RECORD file: {INFO}/RECORD"],
                id=name,
            )
            for name, record in {
                "RECORD not in UTF-8": b"\xff",
                "RECORD with a long field": b"x" * 200_000,
                "RECORD with an empty line": b"a,,\n\nb,,\n",
            }.items()
        ],
        *[
            pytest.param(
                zip_of({**NEEDED, f"{INFO}/entry_points.txt": content}),
                [f"Wheel '{WHEEL}' has invalid entry points defined in the entry_points.txt file"][: not good],
                id=f"entry points {content!r}",
            )
            for content, good in {
                b"": True,
                b"[console_scripts]\na.b-c = x:y\nA.B-c = x:y": True,
                b"[gui_scripts]\na = odd !!": True,
                b"[other]\n../a = x:y": True,
                b"[console_scripts]\na = x:y\na = x:z": False,
                b"[console_scripts]\n../a = x:y": False,
                b"[gui_scripts]\na b = x:y": False,
                b"no section": False,
                b"\xff": False,
            }.items()
        ],
    ],
)
def test_wheel(data: bytes, expected: list[str]) -> None:
    """PyPI's words about the contents of a wheel."""
    assert expected == said(data, WHEEL)


GOOD = (("a_b-1.0/PKG-INFO", b""), ("a_b-1.0/a.py", b"x = 1"))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(tar_of(*GOOD), [], id="valid"),
        pytest.param(tar_of(("x/PKG-INFO", b""), ("./x/a", b"")), [], id="other top-level directory"),
        pytest.param(tar_of(("./x/PKG-INFO", b""), ("x/a", b"")), [f"{BAD}PKG-INFO not found at x/PKG-INFO"], id="dot"),
        pytest.param(tar_of(*GOOD, ("a_b-1.0", b""), type=tarfile.DIRTYPE), [], id="directory"),
        pytest.param(tar_of(*GOOD, ("a_b-1.0/l", b""), type=tarfile.SYMTYPE, linkname="/etc/passwd"), [], id="link"),
        pytest.param(b"no tar", [f"{BAD}File is not a tarfile"], id="not a tar file"),
        pytest.param(gzip.decompress(tar_of(*GOOD)), [f"{BAD}None"], id="not packed"),
        pytest.param(bz2.compress(gzip.decompress(tar_of(*GOOD))), [f"{BAD}None"], id="packed by bzip2"),
        pytest.param(tar_of(*GOOD)[:-10], [f"{BAD}None"], id="truncated"),
        pytest.param(tar_of(*GOOD)[:20], [f"{BAD}None"], id="truncated in the first header"),
        *[
            pytest.param(data, [f"{BAD}Incorrect number of top-level directories in sdist"], id=name)
            for name, data in {
                "empty": tar_of(),
                "two tops": tar_of(*GOOD, ("b/x", b"")),
                "above": tar_of(*GOOD, ("../evil", b"")),
                "absolute": tar_of(*GOOD, ("/evil", b"")),
                "at the root": tar_of(*GOOD, ("./x", b"")),
            }.items()
        ],
        pytest.param(sparse(), [f"{BAD}tar archive not accepted: Sparse members are not allowed. {SEE}"], id="sparse"),
        pytest.param(
            tar_of(("a_b-1.0/x/PKG-INFO", b""), ("a_b-1.0/y", b"")),
            [f"{BAD}PKG-INFO not found at a_b-1.0/PKG-INFO"],
            id="no PKG-INFO",
        ),
        pytest.param(
            tar_of(*GOOD, ("a_b-1.0/b.py", b"__pyarmor%s(__name__, __file__, b'x')" % b"__")),
            [f"{BAD}PyArmor-encrypted content is not allowed. {POLICY}"],
            id="PyArmor",
        ),
    ],
)
def test_sdist(data: bytes, expected: list[str]) -> None:
    """PyPI's words about the contents of an sdist."""
    assert expected == said(data, SDIST)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"x/PKG-INFO": b"", "x/a": b""}, []),
        ({"x/a": b"", "x/b": b""}, [f"{BAD}PKG-INFO not found at x/PKG-INFO"]),
        ({"x/a": b"", "/b": b""}, [f"{BAD}PKG-INFO not found at PKG-INFO"]),
    ],
)
def test_zipped_sdist(files: Mapping[str, bytes], expected: list[str]) -> None:
    """An old sdist may be a zip file."""
    assert expected == said(zip_of(files), ZIP)


@pytest.mark.parametrize(
    ("filename", "make", "place"),
    [
        (WHEEL, lambda name: zip_of({**NEEDED, f"{INFO}/licenses/{name}": b""}), f"{INFO}/licenses"),
        (SDIST, lambda name: tar_of(*GOOD, (f"a_b-1.0/{name}", b"")), "a_b-1.0"),
        (ZIP, lambda name: zip_of({"x/PKG-INFO": b"", f"x/{name}": b""}), "x"),
    ],
)
def test_license_files(filename: str, make: Callable[[str], bytes], place: str) -> None:
    """Every license file named in the metadata must exist."""
    assert [] == said(make("doc/LICENSE"), filename, "doc/LICENSE")
    assert [f"License-File LICENSE does not exist in distribution file {filename} at {place}/LICENSE"] == said(
        make("doc/LICENSE"), filename, "doc/LICENSE", "LICENSE"
    )


@settings(deadline=None, max_examples=200)
@given(st.sampled_from([WHEEL, SDIST]), st.lists(st.tuples(st.integers(0, 999), st.binary(max_size=8)), max_size=4))
def test_any_archive(filename: str, changes: list[tuple[int, bytes]]) -> None:
    """Whatever the bytes are, they are accepted or rejected."""
    with warnings.catch_warnings(action="ignore"):
        data = zip_of({**NEEDED, "a.py": b"x"}) if filename == WHEEL else tar_of(*GOOD)
        for offset, new in changes:
            start = offset % (len(data) + 1)
            data = data[:start] + new + data[start + len(new) :]
        assert all(one.strip() for one in said(data, filename))
