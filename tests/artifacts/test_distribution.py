"""One wheel or sdist → `Distribution`, and where they are found."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.metadata import RawMetadata
from packaging.version import Version

from hatch_trusted_publish.artifacts.distribution import FORM_FIELDS, Distribution, find, shown_path
from hatch_trusted_publish.errors import DistributionError, PlanError, TrustedPublishError
from tests.support.helpers import core_metadata, make_sdist, make_wheel

WHEEL = "sample-1.0-py3-none-any.whl"
SDIST = "sample-1.0.tar.gz"
AGAIN = "Build it again, and publish what was built."


def read(path: Path) -> Distribution:
    return Distribution.read(path, path.name)


def refusal(path: Path) -> str:
    with pytest.raises(DistributionError) as caught:
        read(path)
    return str(caught.value)


def test_wheel(tmp_path: Path) -> None:
    """Everything that is known of a wheel."""
    metadata = core_metadata("A.Sample", "2026.08.10", ["Summary: Short", "Requires-Dist: attrs"], description="Long")
    path = make_wheel(tmp_path, "a-sample", "2026.8.10", "py2.py3-none-any", metadata)
    found = Distribution.read(path, "dist/a\x1b.whl")

    assert (
        Distribution(
            path=path,
            shown="dist/a?.whl",
            filetype="bdist_wheel",
            name=found.name,
            version=Version("2026.8.10"),
            metadata={
                "metadata_version": "2.4",
                "name": "A.Sample",
                "version": "2026.08.10",
                "summary": "Short",
                "requires_dist": ["attrs"],
                "description": "Long",
            },
            python_tag="py2.py3",
            platform_tags=frozenset({"any"}),
            content=found.content,
        )
        == found
    )
    assert ("a-sample", "a_sample-2026.8.10-py2.py3-none-any.whl") == (found.name, found.filename)


def test_bytes(tmp_path: Path) -> None:
    """Size and digest are those of the file; the digest is computed when it is asked for."""
    path = make_wheel(tmp_path)
    wheel = read(path)
    before = wheel.content.known_sha256

    assert (None, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()) == (
        before,
        wheel.size,
        wheel.sha256,
    )


def test_sdist(tmp_path: Path) -> None:
    """What is different of an sdist."""
    sdist = read(make_sdist(tmp_path))

    assert ("sdist", "source", frozenset()) == (sdist.filetype, sdist.python_tag, sdist.platform_tags)
    assert (SDIST, "sample", Version("1.0")) == (sdist.filename, sdist.name, sdist.version)


def test_a_field_many_times(tmp_path: Path) -> None:
    """A field may be there as often as it likes, and its lines may be folded."""
    fields = [
        *(f"Classifier: {number}\n  more {number}" for number in range(200)),
        *(f"X-{number}: x" for number in range(96)),
    ]
    assert 200 == len(read(make_wheel(tmp_path, metadata=core_metadata(fields=fields))).metadata["classifiers"])  # type: ignore[arg-type]


def test_build_tag(tmp_path: Path) -> None:
    """A build tag is not taken for the Python tag, and every platform counts."""
    wheel = read(make_wheel(tmp_path, tag="7-cp311-abi3-manylinux_2_17_x86_64.linux_x86_64"))

    assert wheel.python_tag == "cp311"
    assert frozenset({"manylinux_2_17_x86_64", "linux_x86_64"}) == wheel.platform_tags


def test_form_fields_are_complete() -> None:
    """Every core metadata field that `packaging` knows has a place in the upload form.

    A newer `packaging` with a field more makes this fail: add it to FORM_FIELDS once PyPI's form has it.
    (`packaging` 26.3 knows metadata version 2.6, which has the fields of 2.5.)
    """
    assert set(RawMetadata.__annotations__) == set(FORM_FIELDS)
    assert len(FORM_FIELDS) == len(set(FORM_FIELDS.values()))


def header(key: str) -> str:
    """How the field of the form is written in METADATA (in lower case)."""
    return {"classifiers": "classifier", "project_urls": "project-url"}.get(key, FORM_FIELDS[key].replace("_", "-"))


ONCE = sorted(key for key, kind in get_type_hints(RawMetadata).items() if kind is str)


@pytest.mark.parametrize("key", ONCE)
def test_given_twice(tmp_path: Path, key: str) -> None:
    """A field that must be given once and is given twice is not dropped, but refused by its name."""
    metadata = core_metadata(fields=[f"{header(key).title()}: one", f"{header(key)}: two"])

    assert (
        f"{SDIST} has core metadata that cannot be read: {header(key)} (given twice, or not in UTF-8). {AGAIN}"
    ) == refusal(make_sdist(tmp_path, metadata=metadata))


@pytest.mark.parametrize("key", sorted(FORM_FIELDS.keys() - {"description"}))
def test_not_in_utf8(tmp_path: Path, key: str) -> None:
    """A field of bytes that are no UTF-8 is not dropped, but refused by its name."""
    metadata = core_metadata().replace(b"\n\n", f"\n{header(key)}: \n\n".encode().replace(b": ", b": caf\xe9"), 1)

    assert (
        f"{WHEEL} has core metadata that cannot be read: {header(key)} (given twice, or not in UTF-8). {AGAIN}"
    ) == refusal(make_wheel(tmp_path, metadata=metadata))


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        pytest.param(
            core_metadata() + b"caf\xe9",
            "has core metadata that cannot be read: description (given twice, or not in UTF-8)",
            id="description not in UTF-8",
        ),
        pytest.param(
            core_metadata(fields=["Description: one"], description="two"),
            "has core metadata that cannot be read: description (given twice, or not in UTF-8)",
            id="two descriptions",
        ),
        pytest.param(
            core_metadata(fields=["Project-URL: Home, https://a.example", "Project-URL: Home, https://b.example"]),
            "has core metadata that cannot be read: project-url (given twice, or not in UTF-8)",
            id="two URLs of one label",
        ),
        pytest.param(
            core_metadata(fields=["Summary: a", "Summary: b", "License: a", "License: b"]),
            "has core metadata that cannot be read: license, summary (given twice, or not in UTF-8)",
            id="two fields",
        ),
        pytest.param(
            core_metadata(fields=[f"X-{number}: x" for number in range(98)]),
            "has core metadata with more than 100 different fields",
            id="many fields",
        ),
        pytest.param(
            core_metadata(fields=["Content-Type: multipart/mixed; boundary=x"], description="--x\n\nhi\n--x--"),
            "has the field Content-Type, which is one of e-mails and not of core metadata",
            id="multipart",
        ),
        pytest.param(
            core_metadata(fields=["content-transfer-encoding : base64"], description="aGk=").replace(b"\n", b"\r\n"),
            "has the field content-transfer-encoding, which is one of e-mails and not of core metadata",
            id="base64",
        ),
        *[
            pytest.param(metadata, "has core metadata without Metadata-Version, Name or Version", id=name)
            for name, metadata in {
                "empty": b"",
                "no metadata version": b"Name: sample\nVersion: 1.0\n",
                "no name": b"Metadata-Version: 2.4\nVersion: 1.0\n",
                "no version": b"Metadata-Version: 2.4\nName: sample\n",
                "only a description": b"\n" + core_metadata(),
                "binary": bytes(range(128)),
            }.items()
        ],
        pytest.param(
            core_metadata(name="sam\x1b ple"),
            "has the name 'sam? ple' in its metadata, which is not one (PEP 508)",
            id="no name at all",
        ),
        pytest.param(
            core_metadata(version="one"),
            "has the version 'one' in its metadata, which is not one (PEP 440)",
            id="no version at all",
        ),
        pytest.param(
            core_metadata(version="1" * 5000),
            f"has the version '{'1' * 59}…' in its metadata, which is not one (PEP 440)",
            id="more digits than Python reads",
        ),
        pytest.param(
            core_metadata(name="other"),
            "says sample 1.0 in its name and other 1.0 in its metadata",
            id="other name",
        ),
        pytest.param(
            core_metadata(version="1.1"),
            "says sample 1.0 in its name and sample 1.1 in its metadata",
            id="other version",
        ),
    ],
)
@pytest.mark.parametrize(("make", "name"), [(make_wheel, WHEEL), (make_sdist, SDIST)], ids=["wheel", "sdist"])
def test_bad_metadata(tmp_path: Path, make: Callable[..., Path], name: str, metadata: bytes, reason: str) -> None:
    """Core metadata that are wrong or not those of the file's name are refused, with the reason."""
    assert f"{name} {reason}. {AGAIN}" == refusal(make(tmp_path, metadata=metadata))


@pytest.mark.parametrize(
    ("filename", "reason"),
    [
        (
            "sample.whl",
            "has a name that is not one of a wheel or sdist (Invalid wheel filename (wrong number of parts): 'sample')",
        ),
        ("docs.tar.gz", "has a name that is not one of a wheel or sdist (Invalid sdist filename: 'docs.tar.gz')"),
        ("Sample-1.0.tar.gz", "has a name that is not normalized: it should be sample-1.0.tar.gz (PEP 625)"),
    ],
)
def test_bad_filename(tmp_path: Path, filename: str, reason: str) -> None:
    """A file's name is looked at before what it holds."""
    make = make_wheel if filename.endswith(".whl") else make_sdist

    assert f"{filename} {reason}. {AGAIN}" == refusal(make(tmp_path, filename=filename))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        pytest.param(
            ["New-Field: x", "new-field: y", "New##[error]: z"],
            "new# #[error], new-field",
            id="new fields",
        ),
        pytest.param(
            [f"New-{number:02}: x" for number in range(30)],
            ", ".join(f"new-{number:02}" for number in range(20)),
            id="many new fields",
        ),
    ],
)
def test_newer_metadata_version(tmp_path: Path, fields: list[str], told: str) -> None:
    """A metadata version that is not known is the index's to judge; fields that get lost are told."""
    metadata = core_metadata(metadata_version="9.9", fields=[*fields, "Summary: Short"])
    wheel = read(make_wheel(tmp_path, metadata=metadata))

    expected = (
        f"{WHEEL}: metadata version 9.9 has fields that are not known here and are not sent: {told}; "
        "a newer `packaging` may know them"
    )

    assert (expected,) == wheel.warnings
    assert (wheel.metadata["metadata_version"], wheel.metadata["summary"]) == ("9.9", "Short")


def test_newer_metadata_version_alone(tmp_path: Path) -> None:
    """Where nothing gets lost, there is nothing to tell."""
    assert read(make_wheel(tmp_path, metadata=core_metadata(metadata_version="9.9"))).warnings == ()


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["Name", "Version", "Metadata-Version", "Summary", "Keywords", "Project-URL", "Import-Name"]
            )
            | st.text(max_size=10),
            st.text(max_size=30),
        ),
        max_size=6,
    ),
    st.binary(max_size=50),
)
def test_any_metadata(
    tmp_path_factory: pytest.TempPathFactory, fields: list[tuple[str, str]], description: bytes
) -> None:
    """Whatever the core metadata are, the file is read or refused."""
    lines = [f"{name}: {value}".encode("utf-8", "surrogatepass") for name, value in fields]
    metadata = b"\n".join([core_metadata().rstrip(), *lines, b"", description])
    path = make_sdist(tmp_path_factory.getbasetemp(), metadata=metadata)
    try:
        outcome = read(path).filename
    except DistributionError as error:
        outcome = str(error)

    assert outcome.startswith(SDIST)


def test_unreadable(tmp_path: Path) -> None:
    """A file that cannot be opened is refused with the system's reason."""
    gone, loop, folder = tmp_path / "gone-1.0.tar.gz", tmp_path / "loop-1.0.tar.gz", tmp_path / "folder-1.0.tar.gz"
    loop.symlink_to(loop)
    folder.mkdir()
    remedy = "Check the file and its permissions, or build it again."

    assert f"gone-1.0.tar.gz cannot be read: No such file or directory. {remedy}" == refusal(gone)
    assert f"loop-1.0.tar.gz cannot be read: Too many levels of symbolic links. {remedy}" == refusal(loop)
    assert f"folder-1.0.tar.gz cannot be read: Is a directory. {remedy}" == refusal(folder)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with built files, and with what else can lie around."""
    dist = tmp_path / "project" / "dist"
    make_wheel(dist)
    make_sdist(dist)
    make_wheel(dist.parent / "old", version="0.9")
    for name in ("sample-1.0.zip", "sample-1.0.tar", "notes.txt", ".whl.txt"):
        (dist / name).write_text("")
    (dist / "folder.whl").mkdir()
    os.mkfifo(dist / "pipe.whl")
    (dist / "to-pipe.whl").symlink_to("pipe.whl")
    return dist.parent


@pytest.mark.parametrize(
    ("artifacts", "shown"),
    [
        pytest.param([], [f"dist/{WHEEL}", f"dist/{SDIST}"], id="dist by default"),
        pytest.param(["dist"], [f"dist/{WHEEL}", f"dist/{SDIST}"], id="folder"),
        pytest.param(
            ["dist/", "./old"], [f"dist/{WHEEL}", f"dist/{SDIST}", "old/sample-0.9-py3-none-any.whl"], id="folders"
        ),
        pytest.param([f"dist/{SDIST}"], [f"dist/{SDIST}"], id="file"),
        pytest.param([f"./dist//{SDIST}"], [f"dist/{SDIST}"], id="odd spelling"),
        pytest.param(
            [f"dist/{WHEEL}", "dist", f"dist/../dist/{WHEEL}"], [f"dist/../dist/{WHEEL}", f"dist/{SDIST}"], id="twice"
        ),
        pytest.param(["../project/old"], ["../project/old/sample-0.9-py3-none-any.whl"], id="outside"),
    ],
)
def test_find(root: Path, artifacts: list[str], shown: list[str]) -> None:
    """A folder stands for the wheels and sdists in it, and each file is taken once."""
    found = find(artifacts, root)

    assert sorted(shown) == sorted(text for _, text in found)
    assert all(path == root / text for path, text in found)


def test_find_by_absolute_path(root: Path, tmp_path: Path) -> None:
    """Absolute paths are told relative to the project where they are in it."""
    elsewhere = make_wheel(tmp_path / "elsewhere")
    paths = [root / "dist" / WHEEL, elsewhere]

    assert [(paths[0], f"dist/{WHEEL}"), (elsewhere, str(elsewhere))] == find([str(path) for path in paths], root)


@pytest.mark.parametrize(
    ("path", "root", "shown"),
    [
        (PurePosixPath("/project/dist/a.whl"), PurePosixPath("/project"), "dist/a.whl"),
        (PurePosixPath("/projects/dist/a.whl"), PurePosixPath("/project"), "/projects/dist/a.whl"),
        (PurePosixPath("/project/dist\\a.whl"), PurePosixPath("/project"), "dist\\a.whl"),
        (PureWindowsPath(r"C:\project\dist\a.whl"), PureWindowsPath(r"C:\project"), "dist/a.whl"),
        (PureWindowsPath(r"c:\Project\dist\a.whl"), PureWindowsPath(r"C:\project"), "dist/a.whl"),
        (PureWindowsPath(r"C:\project\..\dist\a.whl"), PureWindowsPath(r"C:\project"), "../dist/a.whl"),
        (PureWindowsPath(r"C:\elsewhere\a.whl"), PureWindowsPath(r"C:\project"), "C:/elsewhere/a.whl"),
        (PureWindowsPath(r"D:\project\a.whl"), PureWindowsPath(r"C:\project"), "D:/project/a.whl"),
        (PureWindowsPath(r"\\host\share\a.whl"), PureWindowsPath(r"C:\project"), "//host/share/a.whl"),
        (PureWindowsPath(r"\\host\share\dist\a.whl"), PureWindowsPath(r"\\host\share"), "dist/a.whl"),
    ],
    ids=lambda value: str(value).replace("\\", "|"),
)
def test_shown_path(path: PurePath, root: PurePath, shown: str) -> None:
    """Messages and reports tell a path in the same way on every system."""
    assert shown == shown_path(path, root)


def test_find_links(tmp_path: Path) -> None:
    """A link to a file is one, and links that lead nowhere are kept, to be told about when they are read."""
    dist = tmp_path / "dist"
    target = make_wheel(tmp_path / "built")
    dist.mkdir()
    for name, to in {WHEEL: str(target), "gone-1.0.tar.gz": "nowhere", "loop-1.0.tar.gz": "loop-1.0.tar.gz"}.items():
        (dist / name).symlink_to(to)
    found = find([], tmp_path)

    assert ["dist/gone-1.0.tar.gz", "dist/loop-1.0.tar.gz", f"dist/{WHEEL}"] == [shown for _, shown in found]


@pytest.mark.parametrize(
    ("artifacts", "problems"),
    [
        pytest.param(["empty"], ["no wheel (.whl) and no sdist (.tar.gz) in empty"], id="empty folder"),
        pytest.param(
            ["empty", "empty/"], ["no wheel (.whl) and no sdist (.tar.gz) in empty, empty/"], id="two empty folders"
        ),
        pytest.param(["typo"], ["typo: there is no such file or folder"], id="nothing there"),
        pytest.param(["\x1b[2J::error::"], ["?[2J: :error: :: there is no such file or folder"], id="escapes"),
        pytest.param(["dangling"], ["dangling: is a symbolic link that leads nowhere"], id="dangling link"),
        pytest.param(["loop.whl"], ["loop.whl: Too many levels of symbolic links"], id="loop"),
        pytest.param(["dist/notes.txt/x"], ["dist/notes.txt/x: Not a directory"], id="inside of a file"),
        pytest.param(["x" * 256], [f"{'x' * 256}: File name too long"], id="long name"),
        pytest.param(
            ["dist/sample-1.0.zip"],
            ["dist/sample-1.0.zip: is neither a wheel (.whl) nor an sdist (.tar.gz)"],
            id="zip",
        ),
        pytest.param(
            ["dist/pipe.whl", "pyproject.toml", "typo"],
            [
                "dist/pipe.whl: is neither a wheel (.whl) nor an sdist (.tar.gz)",
                "pyproject.toml: is neither a wheel (.whl) nor an sdist (.tar.gz)",
                "typo: there is no such file or folder",
            ],
            id="all at once",
        ),
    ],
)
def test_find_nothing(root: Path, artifacts: list[str], problems: list[str]) -> None:
    """What was named and cannot be taken is told, all at once."""
    (root / "empty").mkdir()
    (root / "pyproject.toml").write_text("")
    (root / "dangling").symlink_to("nowhere")
    (root / "loop.whl").symlink_to("loop.whl")
    with pytest.raises(PlanError) as caught:
        find(artifacts, root)

    heading = "There is nothing to publish yet (run `hatch build`, or name what to publish):"
    assert "\n  - ".join([heading, *problems]) == str(caught.value)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (False, "dist: there is no such file or folder"),
        (True, "no wheel (.whl) and no sdist (.tar.gz) in dist"),
    ],
    ids=["missing", "empty"],
)
def test_find_no_dist(tmp_path: Path, make: bool, problem: str) -> None:
    """Without files, the default folder is named."""
    if make:
        (tmp_path / "dist").mkdir()
    with pytest.raises(PlanError) as caught:
        find([], tmp_path)

    assert (f"There is nothing to publish yet (run `hatch build`, or name what to publish):\n  - {problem}") == str(
        caught.value
    )


def test_find_some(root: Path) -> None:
    """A mistyped name beside good ones is an error as well: half a release is none."""
    with pytest.raises(PlanError) as caught:
        find(["dist", "typo"], root)

    assert str(caught.value) == (
        "Not all that was named can be published; nothing was sent:\n  - typo: there is no such file or folder"
    )


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20), max_size=3
    )
)
def test_find_anything(tmp_path_factory: pytest.TempPathFactory, artifacts: list[str]) -> None:
    """Whatever is named, files come back or an inert error."""
    root = tmp_path_factory.getbasetemp() / "find"
    make_wheel(root / "dist")
    try:
        outcome = [shown for _, shown in find([f"./{artifact}" for artifact in artifacts], root)]
    except TrustedPublishError as error:
        outcome = str(error).split("\n  - ")

    assert outcome
    assert all(re.search(r"[\x00-\x1f\x7f]", text) is None for text in outcome)


def test_untracked_files_in_an_sdist(tmp_path: Path) -> None:
    """What Git does not know, and the sdist holds, is named in a warning; escapes in names are made inert."""
    path = make_sdist(tmp_path, members={"notes.txt": b"", "\x1b[2J": b""})
    distribution = Distribution.read(path, "dist/x", frozenset({"notes.txt", "\x1b[2J", "other.txt"}))
    assert ("dist/x: holds files that Git does not track: notes.txt, ?[2J",) == distribution.warnings
