"""One wheel or sdist → `Distribution`, and where distributions are found."""

from __future__ import annotations

import base64
import hashlib
import os
import random
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.metadata import RawMetadata
from packaging.version import Version

from hatch_trusted_publish.artifacts.distribution import Distribution, find, read_all, shown_path
from hatch_trusted_publish.artifacts.metadata import FORM_FIELDS, LARGEST_HEADERS, form
from hatch_trusted_publish.errors import DistributionError, Message, PlanError, TrustedPublishError
from tests.support.helpers import core_metadata, make_sdist, make_wheel

WHEEL = "sample-1.0-py3-none-any.whl"
SDIST = "sample-1.0.tar.gz"


def read(path: Path) -> Distribution:
    return Distribution.read(path, path.name)


def refusal(path: Path) -> Message:
    with pytest.raises(DistributionError) as caught:
        read(path)
    return caught.value.message


def values(distribution: Distribution, name: str) -> list[str]:
    """Return the values of a field in the upload form."""
    return [value for field, value in distribution.fields if field == name]


def test_wheel(tmp_path: Path) -> None:
    """A wheel's values, from its name, its bytes and its metadata."""
    metadata = core_metadata("A.Sample", "2026.08.10", ["Summary: Short", "Requires-Dist: attrs"], description="Long")
    path = make_wheel(tmp_path, "a-sample", "2026.8.10", "py2.py3-none-any", metadata)
    found = Distribution.read(path, "dist/a.whl")

    assert (path, "dist/a.whl", "bdist_wheel", "py2.py3", ()) == (
        found.path,
        found.shown,
        found.filetype,
        found.python_tag,
        found.warnings,
    )
    assert ("a-sample", Version("2026.8.10")) == (found.name, found.version)
    assert [
        ("metadata_version", "2.4"),
        ("name", "A.Sample"),
        ("version", "2026.08.10"),
        ("summary", "Short"),
        ("description", "Long"),
        ("requires_dist", "attrs"),
    ] == found.fields


def test_bytes(tmp_path: Path) -> None:
    """Size and digest are those of the file; the digest is computed on request."""
    path = make_wheel(tmp_path)
    wheel = read(path)
    before = wheel.content.known_sha256

    assert (None, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()) == (
        before,
        wheel.size,
        wheel.sha256,
    )


def test_sdist(tmp_path: Path) -> None:
    """An sdist's values, where they differ from a wheel's."""
    sdist = read(make_sdist(tmp_path))

    assert ("sdist", "source") == (sdist.filetype, sdist.python_tag)
    assert (SDIST, "sample", Version("1.0")) == (sdist.filename, sdist.name, sdist.version)


def test_a_field_many_times(tmp_path: Path) -> None:
    """A field may be given any number of times, and its lines may be folded."""
    fields = [
        *(f"Classifier: {number}\n  more {number}" for number in range(200)),
        *(f"X-{number}: x" for number in range(96)),
    ]
    wheel = read(make_wheel(tmp_path, metadata=core_metadata(fields=fields)))

    assert ["0\n  more 0", 200] == [values(wheel, "classifiers")[0], len(values(wheel, "classifiers"))]


def test_a_folded_content_type(tmp_path: Path) -> None:
    """The content type of the README is sent on one line."""
    fields = ["Description-Content-Type: text/markdown;\n charset=UTF-8"]
    wheel = read(make_wheel(tmp_path, metadata=core_metadata(fields=fields)))

    assert ["text/markdown; charset=UTF-8"] == values(wheel, "description_content_type")


def test_build_tag(tmp_path: Path) -> None:
    """A build tag is not mistaken for the Python tag."""
    wheel = read(make_wheel(tmp_path, tag="7-cp311-abi3-manylinux_2_17_x86_64.linux_x86_64"))

    assert wheel.python_tag == "cp311"


def test_form_fields_are_complete() -> None:
    """Every core metadata field that `packaging` knows has a place in the upload form.

    If this fails because a newer `packaging` has another field: add it to FORM_FIELDS once PyPI's form has it.
    (`packaging` 26.3 knows metadata version 2.6, which has the fields of 2.5.)
    """
    assert set(RawMetadata.__annotations__) == set(FORM_FIELDS)
    assert len(FORM_FIELDS) == len(set(FORM_FIELDS.values()))


def header(key: str) -> str:
    """Return a form field's name as METADATA spells it (in lower case)."""
    return {"classifiers": "classifier", "project_urls": "project-url"}.get(key, FORM_FIELDS[key].replace("_", "-"))


ONCE = sorted(key for key, kind in get_type_hints(RawMetadata).items() if kind is str)


@pytest.mark.parametrize("key", ONCE)
def test_given_twice(tmp_path: Path, key: str) -> None:
    """A single-value field that is given twice is an error with its name, and not dropped."""
    metadata = core_metadata(fields=[f"{header(key).title()}: one", f"{header(key)}: two"])

    expected = Message("unreadable-fields", file=SDIST, fields=[header(key)])
    assert expected == refusal(make_sdist(tmp_path, metadata=metadata))


@pytest.mark.parametrize("key", sorted(FORM_FIELDS.keys() - {"description"}))
def test_not_in_utf8(tmp_path: Path, key: str) -> None:
    """A field that is not UTF-8 is an error with its name, and not dropped."""
    metadata = core_metadata().replace(b"\n\n", f"\n{header(key)}: \n\n".encode().replace(b": ", b": caf\xe9"), 1)

    expected = Message("unreadable-fields", file=WHEEL, fields=[header(key)])
    assert expected == refusal(make_wheel(tmp_path, metadata=metadata))


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        pytest.param(
            core_metadata() + b"caf\xe9",
            ("unreadable-fields", {"fields": ["description"]}),
            id="description not in UTF-8",
        ),
        pytest.param(
            core_metadata(fields=["Description: one"], description="two"),
            ("unreadable-fields", {"fields": ["description"]}),
            id="two descriptions",
        ),
        pytest.param(
            core_metadata(fields=["Summary: a", "Summary: b", "License: a", "License: b"]),
            ("unreadable-fields", {"fields": ["license", "summary"]}),
            id="two fields",
        ),
        pytest.param(
            core_metadata(fields=[f"X-{number}: x" for number in range(98)]),
            ("too-many-fields", {"most": 100, "limit": 1}),
            id="many fields",
        ),
        pytest.param(
            core_metadata(fields=[f"Summary: {'x' * LARGEST_HEADERS}"]),
            ("too-many-fields", {"most": 100, "limit": 1}),
            id="long fields",
        ),
        pytest.param(
            core_metadata(fields=["Content-Type: multipart/mixed; boundary=x"], description="--x\n\nhi\n--x--"),
            ("email-field", {"field": "Content-Type"}),
            id="multipart",
        ),
        pytest.param(
            core_metadata(fields=["content-transfer-encoding: base64"], description="aGk=").replace(b"\n", b"\r\n"),
            ("email-field", {"field": "content-transfer-encoding"}),
            id="base64",
        ),
        *[
            pytest.param(metadata, ("incomplete-metadata", {}), id=name)
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
            ("invalid-name", {"found": "sam\x1b ple"}),
            id="no name at all",
        ),
        pytest.param(
            core_metadata(version="one"),
            ("invalid-version", {"found": "one"}),
            id="no version at all",
        ),
        pytest.param(
            core_metadata(version="1" * 5000),
            ("invalid-version", {"found": "1" * 60}),
            id="more digits than Python parses",
        ),
        pytest.param(
            core_metadata(name="other"),
            ("different-names", {"in_name": "sample 1.0", "in_metadata": "other 1.0"}),
            id="other name",
        ),
        pytest.param(
            core_metadata(version="1.1"),
            ("different-names", {"in_name": "sample 1.0", "in_metadata": "sample 1.1"}),
            id="other version",
        ),
    ],
)
@pytest.mark.parametrize(("make", "name"), [(make_wheel, WHEEL), (make_sdist, SDIST)], ids=["wheel", "sdist"])
def test_bad_metadata(
    tmp_path: Path, make: Callable[..., Path], name: str, metadata: bytes, reason: tuple[str, dict[str, object]]
) -> None:
    """Core metadata that are wrong or contradict the file name are refused, with the reason."""
    code, facts = reason
    assert Message(code, file=name, **facts) == refusal(make(tmp_path, metadata=metadata))


@pytest.mark.parametrize("filename", ["sample.whl", "docs.tar.gz"])
def test_bad_filename(tmp_path: Path, filename: str) -> None:
    """A file name is checked before the file's content."""
    make = make_wheel if filename.endswith(".whl") else make_sdist

    assert "invalid-file-name" == refusal(make(tmp_path, filename=filename)).code


@pytest.mark.parametrize("filename", ["Sample-1.0-py3-none-any.whl", "sample-1.0.0.tar.gz"])
def test_not_normalized(tmp_path: Path, filename: str) -> None:
    """A name that PyPI rejects is a warning here: other indexes accept it."""
    metadata = core_metadata()
    if filename.endswith(".whl"):
        path = make_wheel(tmp_path, filename=filename, name="Sample")
        path.write_bytes(path.read_bytes().replace(b"sample-1.0.dist-info", b"Sample-1.0.dist-info"))
    else:
        path = make_sdist(tmp_path, metadata=metadata, filename=filename)

    expected = WHEEL if filename.endswith(".whl") else SDIST
    assert (Message("not-normalized", file=filename, expected=expected),) == read(path).warnings


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        pytest.param(
            ["New-Field: x", "new-field: y", "New##[error]: z"],
            ["new##[error]", "new-field"],
            id="new fields",
        ),
        pytest.param(
            [f"New-{number:02}: x" for number in range(30)],
            [f"new-{number:02}" for number in range(30)],
            id="many new fields",
        ),
    ],
)
def test_newer_metadata_version(tmp_path: Path, fields: list[str], named: list[str]) -> None:
    """An unknown metadata version is for the index to judge; a warning names fields that are not uploaded."""
    metadata = core_metadata(metadata_version="9.9", fields=[*fields, "Summary: Short"])
    wheel = read(make_wheel(tmp_path, metadata=metadata))

    assert (Message("unknown-fields", file=WHEEL, fields=named),) == wheel.warnings
    assert (["9.9"], ["Short"]) == (values(wheel, "metadata_version"), values(wheel, "summary"))


def test_newer_metadata_version_alone(tmp_path: Path) -> None:
    """If every field is uploaded, there is no warning."""
    assert () == read(make_wheel(tmp_path, metadata=core_metadata(metadata_version="9.9"))).warnings


def test_a_label_twice(tmp_path: Path) -> None:
    """PyPI accepts a file with two URLs of one label, but not a form with both."""
    fields = [
        "Project-URL: Home, https://a.example",
        "Project-URL: Café,https://c.example",
        "Project-URL: Home,https://b.example",
    ]
    wheel = read(make_wheel(tmp_path, metadata=core_metadata(fields=fields)))

    assert ["Home, https://b.example", "Café, https://c.example"] == values(wheel, "project_urls")
    assert (Message("repeated-url-label", file=WHEEL),) == wheel.warnings


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("description", ["", "One: line", "\n\nTwo\n", " Three é 😀"])
def test_description(tmp_path: Path, end: str, description: str) -> None:
    """The description follows the first empty line, whatever the line endings."""
    text = core_metadata(fields=["Summary: a"], description=description).decode().replace("\n", end)
    wheel = read(make_wheel(tmp_path, metadata=text.encode()))

    assert [description.replace("\n", end)] * bool(description) == values(wheel, "description")
    assert ["a"] == values(wheel, "summary")


def test_a_line_that_is_not_a_field(tmp_path: Path) -> None:
    """A line that is not a field ends the fields, as it does for installers."""
    wheel = read(make_wheel(tmp_path, metadata=core_metadata(fields=["no field", "Summary: a"], description="b")))

    assert (["no field\nSummary: a\n\nb"], []) == (values(wheel, "description"), values(wheel, "summary"))


def test_memory(tmp_path: Path) -> None:
    """Reading large core metadata keeps little in memory."""
    metadata = core_metadata(description="A sentence that a README could have. " * 50_000)
    paths = [make_wheel(tmp_path, tag=f"py3-none-linux_{number}", metadata=metadata) for number in range(8)]
    tracemalloc.start()
    try:
        wheels = [read(path) for path in paths]
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert [metadata.decode().partition("\n\n")[2]] == values(wheels[0], "description")
    assert (True, True) == (kept < 2 * 1024**2, most < 32 * 1024**2)


@pytest.mark.parametrize(("kind", "size"), [("wheel", 100_000), ("sdist", 1_000_000)])
def test_a_readme_that_is_not_kept(tmp_path: Path, kind: str, size: int) -> None:
    """A README that is large even when packed is read again for the upload form; by then, the file may be gone."""
    readme = base64.encodebytes(random.Random(0).randbytes(size)).decode()
    metadata = core_metadata(fields=["Summary: a"], description=readme)
    path = make_wheel(tmp_path, metadata=metadata) if kind == "wheel" else make_sdist(tmp_path, metadata=metadata)
    tracemalloc.start()
    try:
        found = read(path)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (["a"], [readme], True) == (values(found, "summary"), values(found, "description"), kept < 60_000)
    path.unlink()
    with pytest.raises(DistributionError) as caught:
        _ = found.fields
    assert Message("unreadable-file", file=found.shown, said="No such file or directory") == caught.value.message


def test_core_metadata_of_a_mapping() -> None:
    """Each kind of field has its form: one value, several, a list in one, a mapping."""
    metadata = {"keywords": ["a", "b"], "project_urls": {"Home": "https://a.example"}, "license_files": ["x", "y"]}
    found = [*form(metadata)]

    assert {
        ("keywords", "a,b"),
        ("project_urls", "Home, https://a.example"),
        ("license_file", "x"),
        ("license_file", "y"),
    } == set(found)


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
        outcome: object = read(path).filename
    except DistributionError as error:
        outcome = error.message.facts["file"]

    assert SDIST == outcome


def test_unreadable(tmp_path: Path) -> None:
    """A file that cannot be opened is refused with the system's reason."""
    gone, loop, directory = (
        tmp_path / "gone-1.0.tar.gz",
        tmp_path / "loop-1.0.tar.gz",
        tmp_path / "directory-1.0.tar.gz",
    )
    loop.symlink_to(loop)
    directory.mkdir()
    os.mkfifo(tmp_path / "pipe-1.0.tar.gz")
    said = {
        gone: "No such file or directory",
        loop: "Too many levels of symbolic links",
        directory: "Is a directory",
        tmp_path / "pipe-1.0.tar.gz": "Not a regular file",
    }

    assert [Message("unreadable-file", file=path.name, said=text) for path, text in said.items()] == [
        refusal(path) for path in said
    ]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a project with built files, and with other files next to them."""
    dist = tmp_path / "project" / "dist"
    make_wheel(dist)
    make_sdist(dist)
    make_wheel(dist.parent / "old", version="0.9")
    for name in ("sample-1.0.zip", "sample-1.0.tar", "notes.txt", ".whl.txt"):
        (dist / name).write_text("")
    (dist / "directory.whl").mkdir()
    os.mkfifo(dist / "pipe.whl")
    (dist / "to-pipe.whl").symlink_to("pipe.whl")
    return dist.parent


@pytest.mark.parametrize(
    ("artifacts", "shown"),
    [
        pytest.param([], [f"dist/{WHEEL}", f"dist/{SDIST}"], id="dist by default"),
        pytest.param(["dist"], [f"dist/{WHEEL}", f"dist/{SDIST}"], id="directory"),
        pytest.param(
            ["dist/", "./old"], [f"dist/{WHEEL}", f"dist/{SDIST}", "old/sample-0.9-py3-none-any.whl"], id="directories"
        ),
        pytest.param([f"dist/{SDIST}"], [f"dist/{SDIST}"], id="file"),
        pytest.param([f"./dist//{SDIST}"], [f"dist/{SDIST}"], id="unusual spelling"),
        pytest.param(
            [f"dist/{WHEEL}", "dist", f"dist/../dist/{WHEEL}"], [f"dist/../dist/{WHEEL}", f"dist/{SDIST}"], id="twice"
        ),
        pytest.param(["../project/old"], ["../project/old/sample-0.9-py3-none-any.whl"], id="outside"),
    ],
)
def test_find(root: Path, artifacts: list[str], shown: list[str]) -> None:
    """A directory stands for the wheels and sdists in it, and each file is listed once."""
    found = find(artifacts, root)

    assert sorted(shown) == sorted(text for _, text in found)
    assert all(path == root / text for path, text in found)


def test_find_by_absolute_path(root: Path, tmp_path: Path) -> None:
    """An absolute path is shown relative to the project if it is inside."""
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
    """Messages and reports show a path in the same way on every system."""
    assert shown == shown_path(path, root)


def test_find_links(tmp_path: Path) -> None:
    """A link to a file counts as a file; a broken link is kept, and reported when it is read."""
    dist = tmp_path / "dist"
    target = make_wheel(tmp_path / "built")
    dist.mkdir()
    for name, to in {WHEEL: str(target), "gone-1.0.tar.gz": "nowhere", "loop-1.0.tar.gz": "loop-1.0.tar.gz"}.items():
        (dist / name).symlink_to(to)
    found = find([], tmp_path)

    assert ["dist/gone-1.0.tar.gz", "dist/loop-1.0.tar.gz", f"dist/{WHEEL}"] == [shown for _, shown in found]


def named(code: str, file: str, **facts: object) -> Message:
    return Message(code, file=file, **facts)


@pytest.mark.parametrize(
    ("artifacts", "problems"),
    [
        pytest.param(["empty"], [Message("no-files-found", places=["empty"])], id="empty directory"),
        pytest.param(
            ["empty", "empty/"], [Message("no-files-found", places=["empty", "empty/"])], id="two empty directories"
        ),
        pytest.param(["typo"], [named("no-such-file", "typo")], id="missing"),
        pytest.param(["dangling"], [named("dangling-link", "dangling")], id="dangling link"),
        pytest.param(
            ["loop.whl"], [named("unreadable-path", "loop.whl", said="Too many levels of symbolic links")], id="loop"
        ),
        pytest.param(
            ["dist/notes.txt/x"],
            [named("unreadable-path", "dist/notes.txt/x", said="Not a directory")],
            id="path through a file",
        ),
        pytest.param(["x" * 256], [named("unreadable-path", "x" * 256, said="File name too long")], id="long name"),
        pytest.param(["x/" * 3000], [named("unreadable-path", "x/" * 3000, said="File name too long")], id="long path"),
        pytest.param(["dist/sample-1.0.zip"], [named("not-a-distribution", "dist/sample-1.0.zip")], id="zip"),
        pytest.param(
            ["dist/pipe.whl", "pyproject.toml", "typo"],
            [
                named("not-a-distribution", "dist/pipe.whl"),
                named("not-a-distribution", "pyproject.toml"),
                named("no-such-file", "typo"),
            ],
            id="all at once",
        ),
    ],
)
def test_find_nothing(root: Path, artifacts: list[str], problems: list[Message]) -> None:
    """Every argument that cannot be published is reported, all together."""
    (root / "empty").mkdir()
    (root / "pyproject.toml").write_text("")
    (root / "dangling").symlink_to("nowhere")
    (root / "loop.whl").symlink_to("loop.whl")
    with pytest.raises(PlanError) as caught:
        find(artifacts, root)

    assert ("nothing-to-publish", tuple(problems)) == (caught.value.message.code, caught.value.problems)


def test_find_a_nul_byte(tmp_path: Path) -> None:
    """A path that the system does not allow is a problem like any other."""
    with pytest.raises(PlanError) as caught:
        find(["a\0.whl"], tmp_path)

    assert ("unreadable-path",) == caught.value.codes


@pytest.mark.parametrize(
    ("make", "problem"),
    [(False, named("no-such-file", "dist")), (True, Message("no-files-found", places=["dist"]))],
    ids=["missing", "empty"],
)
def test_find_no_dist(tmp_path: Path, make: bool, problem: Message) -> None:
    """Without files, the default directory is named."""
    if make:
        (tmp_path / "dist").mkdir()
    with pytest.raises(PlanError) as caught:
        find([], tmp_path)

    assert (problem,) == caught.value.problems


def test_find_some(root: Path) -> None:
    """A mistyped name next to valid ones is an error: half a release is not a release."""
    with pytest.raises(PlanError) as caught:
        find(["dist", "typo"], root)

    assert ("files-not-found", (named("no-such-file", "typo"),)) == (caught.value.message.code, caught.value.problems)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20), max_size=3))
def test_find_anything(tmp_path_factory: pytest.TempPathFactory, artifacts: list[str]) -> None:
    """Any arguments yield files, or an error in plain text."""
    root = tmp_path_factory.getbasetemp() / "find"
    make_wheel(root / "dist")
    try:
        outcome = [shown for _, shown in find([f"./{artifact}" for artifact in artifacts], root)]
    except TrustedPublishError as error:
        outcome = str(error).split("\n  - ")

    assert outcome
    assert all(re.search(r"[\x00-\x1f\x7f]", text) is None for text in outcome)


def test_untracked_files_in_an_sdist(tmp_path: Path) -> None:
    """A warning names the files in the sdist that Git does not track."""
    path = make_sdist(tmp_path, members={"notes.txt": b"", "\x1b[2J": b""})
    distribution = Distribution.read(path, "dist/x", frozenset({"notes.txt", "\x1b[2J", "other.txt"}))
    assert (Message("untracked-files", file="dist/x", files=["notes.txt", "\x1b[2J"]),) == distribution.warnings


def test_read_all(tmp_path: Path) -> None:
    """Files are read in the order in which they are named, each with the path to show."""
    paths = [make_wheel(tmp_path), make_sdist(tmp_path)]

    distributions, problems = read_all([(path, f"dist/{path.name}") for path in paths])

    assert ([f"dist/{WHEEL}", f"dist/{SDIST}"], []) == ([one.shown for one in distributions], problems)


def test_read_all_looks_for_untracked_files(tmp_path: Path) -> None:
    """An sdist's files that the project does not track are reported."""
    path = make_sdist(tmp_path, members={"secret.env": b"x"})
    (reported,), (unreported,) = (read_all([(path, SDIST)], untracked)[0] for untracked in ({"secret.env"}, set[str]()))

    assert (["untracked-files"], ()) == ([one.code for one in reported.warnings], unreported.warnings)


def test_read_all_reports_each_file(tmp_path: Path) -> None:
    """Each file that cannot be read is reported, not only the first; the readable ones are returned."""
    (tmp_path / "a.whl").write_bytes(b"")
    paths = [tmp_path / "a.whl", make_wheel(tmp_path), tmp_path / "b.tar.gz"]

    distributions, problems = read_all([(path, path.name) for path in paths])

    assert ([WHEEL], ["a.whl", "b.tar.gz"]) == (
        [one.filename for one in distributions],
        [problem.facts["file"] for problem in problems],
    )
