"""The simple API: PEP 691 JSON and PEP 503 HTML. Pure."""

from __future__ import annotations

import hashlib
import html
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final, TypeAlias
from urllib.parse import quote

from packaging.utils import canonicalize_name

from .store import File, Project

Listing: TypeAlias = Mapping[str, object]

JSON: Final = "application/vnd.pypi.simple.v1+json"
HTML: Final = "application/vnd.pypi.simple.v1+html"
PLAIN_HTML: Final = "text/html"
_META: Final = {"_last-serial": 0, "api-version": "1.4"}


def media_type(accept: str | None) -> str:
    """Return the best media type for an `Accept` header, by default HTML."""
    best, found = 0.0, PLAIN_HTML
    for part in (accept or "").split(","):
        name, *parameters = (each.strip() for each in part.split(";"))
        weight = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key == "q":
                try:
                    weight = float(value)
                except ValueError:
                    weight = 0.0
        if name in (JSON, HTML, PLAIN_HTML) and weight > best:
            best, found = weight, name
    return found


def projects(names: Iterable[str]) -> tuple[str, str]:
    """Return the list of all projects, as JSON and as HTML."""
    every = sorted(names)
    listing = {"meta": _META, "projects": [{"name": name} for name in every]}
    links = "".join(f'<a href="/simple/{canonicalize_name(name)}/">{html.escape(name)}</a><br />\n' for name in every)
    return json.dumps(listing), _page("Simple index", "", links)


def project(each: Project, base: str) -> tuple[str, str]:
    """Return one project's files, as JSON and as HTML. Links start with *base*."""
    name = canonicalize_name(each.name)
    # A quarantined project shows no files.
    shown = () if each.status == "quarantined" else each.files.values()
    files = [_entry(file, name, base) for file in shown]
    listing = {
        "files": files,
        "meta": _META,
        "name": name,
        "project-status": {"status": each.status},
        "versions": [] if not files else [str(version) for version in sorted(each.releases)],
    }
    status = f'<meta name="pypi:project-status" content="{each.status}">'
    links = "".join(_link(file, base) for file in shown)
    return json.dumps(listing), _page(f"Links for {name}", status, links)


def path(file: File) -> str:
    """Return the path of a file, before quoting: an epoch has a `!`."""
    digest = file.blake2
    return f"/packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{file.filename}"


def provenance_path(name: str, file: File) -> str:
    """Return the path of the attestations of a file, before quoting."""
    return f"/integrity/{name}/{file.version}/{file.filename}/provenance"


def _entry(file: File, name: str, base: str) -> Listing:
    digest = _metadata_digest(file)
    metadata = {"sha256": digest} if digest else False
    return {
        "core-metadata": metadata,
        "data-dist-info-metadata": metadata,
        "filename": file.filename,
        "hashes": {"sha256": file.sha256},
        "provenance": f"{base}{quote(provenance_path(name, file))}" if file.attestations else None,
        "requires-python": file.requires_python,
        "size": file.size,
        "upload-time": datetime.fromtimestamp(file.uploaded, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "url": f"{base}{quote(path(file))}",
        "yanked": False,
    }


def _link(file: File, base: str) -> str:
    attributes = ""
    if file.requires_python:
        attributes = f' data-requires-python="{html.escape(file.requires_python)}"'
    if digest := _metadata_digest(file):
        value = f"sha256={digest}"
        attributes += f' data-dist-info-metadata="{value}" data-core-metadata="{value}"'
    target = f"{base}{quote(path(file))}#sha256={file.sha256}"
    return f'<a href="{target}"{attributes}>{html.escape(file.filename)}</a><br />\n'


def _metadata_digest(file: File) -> str | None:
    return None if file.metadata is None else hashlib.sha256(file.metadata).hexdigest()


def _page(title: str, status: str, links: str) -> str:
    return f"""\
<!DOCTYPE html>
<html lang="en">
  <head>
    <meta name="pypi:repository-version" content="1.4">
{status}    <title>{title}</title>
  </head>
  <body>
    <h1>{title}</h1>
{links}</body>
</html>
"""
