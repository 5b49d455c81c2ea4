"""Attestations next to the files: malformed ones, which PyPI would reject, are never uploaded."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from pypi_attestations import Attestation as Oracle
from pypi_attestations import AttestationType

from hatch_trusted_publish.artifacts.distribution import Distribution
from hatch_trusted_publish.attestations.files import LARGEST, PREDICATES, PUBLISH, field, find, keep
from hatch_trusted_publish.errors import Message
from hatch_trusted_publish.http.messages import Reply
from hatch_trusted_publish.rehearsal import attestations as rehearsed
from hatch_trusted_publish.rehearsal.publishers import GitHub
from tests.support.helpers import make_sdist, make_wheel
from tests.support.recordings import ENTRIES, brief_uploads

PROVENANCE = "https://slsa.dev/provenance/v1"
ORACLE = TypeAdapter(list[Oracle])
RECORDED: Mapping[str, Any] = json.loads(dict(ENTRIES["attestations/ok-one"].form)["attestations"])[0]


def unusable(name: str, code: str = "malformed-attestation", /, **facts: object) -> Message:
    return Message("unusable-attestation", file=f"dist/{name}", reason=Message(code, **facts))


def statement(
    distribution: Distribution, predicate: str = PUBLISH, changes: Mapping[str, object] | None = None
) -> dict[str, object]:
    subject = {"name": distribution.filename, "digest": {"sha256": distribution.sha256}}
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [subject],
        "predicateType": predicate,
        "predicate": None,
        **(changes or {}),
    }


def attestation(said: object, **changes: object) -> dict[str, Any]:
    """Return the recorded attestation with another statement."""
    text = base64.b64encode(json.dumps(said).encode()).decode()
    return {**RECORDED, "envelope": {**RECORDED["envelope"], "statement": text}, **changes}


def written(distribution: Distribution, content: object, suffix: str = "publish.attestation") -> Path:
    path = distribution.path.with_name(f"{distribution.filename}.{suffix}")
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


@pytest.fixture
def wheel(tmp_path: Path) -> Distribution:
    path = make_wheel(tmp_path / "dist")
    return Distribution.read(path, f"dist/{path.name}")


@pytest.fixture
def sdist(tmp_path: Path) -> Distribution:
    path = make_sdist(tmp_path / "dist")
    return Distribution.read(path, f"dist/{path.name}")


def test_two_for_a_file(wheel: Distribution, sdist: Distribution) -> None:
    """A publish attestation and another tool's provenance are found under any name; both are in one field."""
    written(wheel, json.dumps(attestation(statement(wheel)), indent=4).encode())
    written(wheel, attestation({**statement(wheel, PROVENANCE), "predicate": {"builder": {}}}), "attestation")
    found, problems = find([wheel, sdist])

    assert ([], {wheel.filename, sdist.filename}) == (problems, set(found))
    assert ([PROVENANCE, PUBLISH], {}) == (sorted(found[wheel.filename], reverse=True), found[sdist.filename])
    text = field([*found[wheel.filename].values()])
    assert 2 == len(ORACLE.validate_json(text))
    assert attestation(statement(wheel)) in json.loads(text)
    assert not re.search(r"\s", text)


def test_none(wheel: Distribution) -> None:
    """Without attestations there is no field, since an empty list is rejected; nothing is read."""
    assert ({wheel.filename: {}}, []) == find([wheel])
    assert ("", None) == (field([]), wheel.content.known_sha256)


def test_a_file_that_is_not_named(wheel: Distribution, sdist: Distribution) -> None:
    """An attestation of a file that this run does not publish is ignored."""
    written(sdist, b"whatever")

    assert ({wheel.filename: {}}, []) == find([wheel])


@pytest.mark.parametrize(
    "name",
    [
        "sample-2.0.tar.gz.publish.attestation",
        "other.attestation",
        ".attestation",
        "sample-1.0.zip.publish.attestation",
    ],
)
def test_an_orphan(wheel: Distribution, name: str) -> None:
    """An attestation of no file here is from another build, or misnamed."""
    wheel.path.with_name(name).write_bytes(b"whatever")

    assert [unusable(name, "attestation-of-no-file")] == find([wheel])[1]


def test_a_second_of_one_kind(wheel: Distribution) -> None:
    """PyPI accepts one attestation per predicate."""
    written(wheel, attestation(statement(wheel)), "attestation")
    path = written(wheel, attestation(statement(wheel)))

    assert [unusable(path.name, "second-attestation", predicate="publish")] == find([wheel])[1]


def test_problems_of_all_files(wheel: Distribution, sdist: Distribution) -> None:
    """The problems of all files are reported together."""
    names = [written(wheel, b"").name, written(sdist, b"", "slsa.attestation").name]

    assert [unusable(name) for name in names] == find([sdist, wheel])[1]


def _without(name: str, inside: str = "") -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(RECORDED))
    del (copy[inside] if inside else copy)[name]
    return copy


def _with(name: str, value: object, inside: str = "") -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(RECORDED))
    (copy[inside] if inside else copy)[name] = value
    return copy


MATERIAL, ENVELOPE = "verification_material", "envelope"
MALFORMED: dict[str, object] = {
    "nothing": b"",
    "no JSON": b"nope",
    "a text": '"x"',
    "a list": [RECORDED],
    "an empty object": {},
    "null": b"null",
    "no UTF-8": b"\xff{}",
    "a byte order mark": b"\xef\xbb\xbf" + json.dumps(RECORDED).encode(),
    "two objects": json.dumps(RECORDED).encode() * 2,
    "a key twice": json.dumps(RECORDED).replace('"version"', '"version": 1, "version"').encode(),
    "NaN": json.dumps(_with("more", float("nan"))).encode(),
    "infinite": json.dumps(_with("more", 1)).replace('"more": 1', '"more": 1e999').encode(),
    "half a surrogate pair": json.dumps(_with("more", "\ud800")).encode(),
    "nested": json.dumps(_with("more", 1)).replace('"more": 1', '"more": ' + "[" * 200 + "]" * 200).encode(),
    "another version": _with("version", 2),
    "a version as text": _with("version", "1"),
    "a version as truth": _with("version", True),
    "material as text": _with(MATERIAL, "x"),
    "no entries": _with("transparency_entries", [], MATERIAL),
    "entries as text": _with("transparency_entries", ["x"], MATERIAL),
    "a certificate as number": _with("certificate", 5, MATERIAL),
    "a certificate in no base64": _with("certificate", "no!", MATERIAL),
    "a certificate in more than base64": _with("certificate", "QU!FB", MATERIAL),
    "an empty certificate": _with("certificate", "", MATERIAL),
    "a signature that is cut": _with("signature", "QUF", ENVELOPE),
    "a statement that is no JSON": _with("statement", "QUFB", ENVELOPE),
    **{f"without {name}": _without(name) for name in ("version", MATERIAL, ENVELOPE)},
    **{f"without {name}": _without(name, MATERIAL) for name in ("certificate", "transparency_entries")},
    **{f"without {name}": _without(name, ENVELOPE) for name in ("statement", "signature")},
}


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed(wheel: Distribution, content: object) -> None:
    """A malformed attestation is a problem with the file's name, and is not uploaded."""
    path = written(wheel, content)

    assert ({wheel.filename: {}}, [unusable(path.name)]) == find([wheel])


STATEMENTS: dict[str, Mapping[str, object]] = {
    "another type": {"_type": "https://in-toto.io/Statement/v0.1"},
    "no predicate type": {"predicateType": None},
    "no subject": {"subject": []},
    "two subjects": {"subject": [{"name": "a", "digest": {"sha256": "b"}}] * 2},
    "a subject as text": {"subject": ["x"]},
    "a subject without a name": {"subject": [{"digest": {"sha256": "b"}}]},
    "a subject without a digest": {"subject": [{"name": "a"}]},
    "a subject with another digest": {"subject": [{"name": "a", "digest": {"sha512": "b"}}]},
}


@pytest.mark.parametrize("changes", STATEMENTS.values(), ids=STATEMENTS.keys())
def test_malformed_statement(wheel: Distribution, changes: dict[str, object]) -> None:
    """So is a statement that does not name exactly one file."""
    path = written(wheel, attestation(statement(wheel, changes=changes)))

    assert [unusable(path.name)] == find([wheel])[1]


def test_another_predicate(wheel: Distribution) -> None:
    """A predicate that PyPI does not know is not uploaded to it."""
    path = written(wheel, attestation(statement(wheel, "https://cyclonedx.org/bom\x1b[2J")))

    predicate = "https://cyclonedx.org/bom\x1b[2J"
    assert [unusable(path.name, "unknown-predicate", predicate=predicate)] == find([wheel])[1]


@pytest.mark.parametrize("what", ["name", "digest"])
def test_of_another_file(wheel: Distribution, what: str) -> None:
    """An attestation of other bytes, or another file name, is reported with both."""
    subject = {"name": wheel.filename, "digest": {"sha256": wheel.sha256}}
    subject |= {"name": "other.whl"} if what == "name" else {"digest": {"sha256": "0" * 64}}
    path = written(wheel, attestation(statement(wheel, changes={"subject": [subject]})))

    name, digest = ("other.whl", wheel.sha256) if what == "name" else (wheel.filename, "0" * 64)
    facts = {"name": name, "there": digest[:11], "here": wheel.sha256[:11]}
    assert [unusable(path.name, "attestation-of-another-file", **facts)] == find([wheel])[1]


def test_a_large_file(wheel: Distribution) -> None:
    """No more is read than the size limit of an attestation."""
    path = written(wheel, b" " * (LARGEST + 1))

    assert [unusable(path.name, "attestation-too-large", limit=LARGEST)] == find([wheel])[1]


@pytest.mark.parametrize(
    ("kind", "said"),
    [("directory", "Is a directory"), ("pipe", "Not a regular file"), ("link", "No such file or directory")],
)
def test_not_a_regular_file(wheel: Distribution, kind: str, said: str) -> None:
    """Only regular files are read: reading a pipe would never end."""
    path = wheel.path.with_name(f"{wheel.filename}.attestation")
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("nowhere")

    assert [unusable(path.name, "attestation-unreadable", said=said)] == find([wheel])[1]


def test_an_unreadable_file(wheel: Distribution, tmp_path: Path) -> None:
    """The system's reason for an unreadable file is reported; here its links form a loop."""
    path = wheel.path.with_name(f"{wheel.filename}.attestation")
    path.symlink_to(tmp_path / ("x" * 300))

    assert [unusable(path.name, "attestation-unreadable", said="File name too long")] == find([wheel])[1]


def test_kept(wheel: Distribution) -> None:
    """A kept attestation is found by the next run; no other file is left."""
    [one] = find_one(wheel)
    path = wheel.path.with_name(f"{wheel.filename}.publish.attestation")
    path.unlink()
    assert path == keep(one, wheel)

    assert [one] == list(find([wheel])[0][wheel.filename].values())
    assert {wheel.path, path} == set(wheel.path.parent.iterdir())


def find_one(wheel: Distribution) -> list[str]:
    written(wheel, attestation(statement(wheel)))
    return list(find([wheel])[0][wheel.filename].values())


def _refusals() -> list[Any]:
    """Return what PyPI rejects in attestations, from an array of three to invalid JSON."""
    recorded = [(name, entry.reply) for name, entry in ENTRIES.items() if name.startswith("attestations/")]
    brief = [(name, Reply(status, b"", reason=reason)) for name, status, reason in brief_uploads()]
    return [
        pytest.param(reply.reason, id=name)
        for name, reply in [*recorded, *brief]
        if name.startswith("attestations/") and reply.status >= 400
    ]


@pytest.mark.parametrize("reason", _refusals())
def test_no_file_provokes_a_rejection(wheel: Distribution, reason: str) -> None:
    """No file provokes one of PyPI's rejections: it is not uploaded, or PyPI accepts it."""
    publisher = GitHub("o", "1", "r", "release.yml")
    contents = [
        *MALFORMED.values(),
        *(attestation(statement(wheel, changes=changes)) for changes in STATEMENTS.values()),
        attestation(statement(wheel)),
        b"[]",
    ]
    said = []
    for content in contents:
        for suffix in ("publish.attestation", "attestation", "slsa.attestation"):
            written(wheel, content, suffix)
        found, problems = find([wheel])
        assert problems  # at least: three of a kind
        if text := field([*found[wheel.filename].values()]):
            said.append(rehearsed.read(text, publisher))
    assert said
    assert reason not in said
    assert all(isinstance(each, list) for each in said)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=20,
)


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_what_is_sent_is_well_formed(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Everything that passes is valid for PyPI's own model."""
    directory = tmp_path_factory.getbasetemp() / "well-formed"
    path = make_wheel(directory)
    wheel = Distribution.read(path, path.name)
    one = json.loads(json.dumps(attestation(statement(wheel))))
    holders = [one, one[MATERIAL], one[ENVELOPE], one[MATERIAL]["transparency_entries"][0]]
    for _ in range(data.draw(st.integers(0, 2))):
        holder = data.draw(st.sampled_from(holders))
        holder[data.draw(st.sampled_from([*holder, "more"]))] = data.draw(JSON)
    written(wheel, one)
    found, problems = find([wheel])
    text = field([*found[wheel.filename].values()])
    assert bool(text) != bool(problems)
    if text:
        assert 1 == len(ORACLE.validate_json(text))


def test_predicates() -> None:
    """The two predicates are those that PyPI's own library knows."""
    assert {each.value for each in AttestationType} == PREDICATES.keys()
