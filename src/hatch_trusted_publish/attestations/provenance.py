"""The publisher of the newest release on the index (PEP 740), compared with that of this run.

A release without attestations after one with them, or with those of another publisher, is either a move or a theft.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from packaging.utils import NormalizedName
from packaging.version import Version

from ..artifacts.distribution import Distribution
from ..errors import IndexReadError, Message, NetworkError
from ..http.client import Client
from ..identity.publishers import PROVIDERS, publisher_of
from ..index.endpoints import Index
from ..index.origins import is_on_host_of
from ..index.simple_api import ask_provenance, read_provenance
from .files import PUBLISH, Attestations

Newest = Mapping[NormalizedName, tuple[Version, str]]
"""Project → its newest version, and the URL of the attestations of one file of that."""


def publishers_of(index: Index, client: Client, newest: Newest) -> Mapping[NormalizedName, Sequence[str]]:
    """Return the publisher of each project's newest release; nothing if the index does not say."""
    found: dict[NormalizedName, list[str]] = {}
    for project, (_, url) in newest.items():
        if not is_on_host_of(url, index.simple_url):
            continue
        try:
            request = replace(ask_provenance(index, project, url), tries=1, quiet=True)
            bundles = read_provenance(client.send(request))
        except (IndexReadError, NetworkError):
            continue  # no release should fail or wait for it
        publishers = (bundle.get("publisher") for bundle in bundles)
        found[project] = [_shown(one) for one in publishers if isinstance(one, dict)]
    return found


def _shown(publisher: Mapping[str, object]) -> str:
    """Return who published, from the members of PyPI's provenance object."""
    names = ("kind", "repository", "workflow", "workflow_filepath", "email")
    return " ".join(str(publisher[name]) for name in names if publisher.get(name))


def own_publisher(claims: Mapping[str, object]) -> str:
    """Return this job in the same form."""
    own = publisher_of(claims)
    kind = {"github": "GitHub", "gitlab": "GitLab", "google": "Google"}.get(own.get("provider", ""))
    who = "/".join(own[key] for key in PROVIDERS[own.get("provider", "")].name if key in own)
    return " ".join(filter(None, (kind, who, own.get("workflow"))))


def changes(
    newest: Newest,
    publishers: Mapping[NormalizedName, Sequence[str]],
    distributions: Sequence[Distribution],
    attestations: Attestations,
    claims: Mapping[str, object],
) -> Iterator[Message]:
    """Yield what this run changes about who published a project."""
    now = own_publisher(claims)
    for project, (version, _) in newest.items():
        files = [one for one in distributions if one.name == project]
        without = [one.shown for one in files if PUBLISH not in attestations.get(one.filename, {})]
        if without:
            yield Message("provenance-lost", project=project, version=version, files=without)
        before = publishers.get(project, ())
        if len(without) < len(files) and before and now.casefold() not in map(str.casefold, before):
            yield Message("other-publisher", project=project, version=version, before=before, now=now)
