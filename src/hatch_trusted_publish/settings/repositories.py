"""The tables of ``repos``, and the index that is chosen from them.

Rules:

- PyPI and TestPyPI are what they are: only certificates can be set for them.
- The project may only name what is on the index's own host: an audience, or endpoints. It cannot set certificates
  for PyPI. Anything else comes from the workflow.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from ..errors import Message
from ..http.certificates import Certificates
from ..index.endpoints import Repository
from ..index.origins import host_of, is_reserved, names_host, shown_url, url_problem
from . import values

UPLOAD_URLS: Final = {"main": "https://upload.pypi.org/legacy/", "test": "https://test.pypi.org/legacy/"}
"""PyPI and TestPyPI, by the names that Hatch's own publisher gives them."""
_ALIASES: Final = {"pypi": "main", "testpypi": "test"}
_PYPI_HOSTS: Final = {"upload.pypi.org": "main", "pypi.org": "main", "test.pypi.org": "test"}
_ENDPOINTS: Final = ("audience-endpoint", "token-mint-endpoint")
CERTIFICATES: Final = dict.fromkeys(("ca-cert", "client-cert", "client-key"), values.path)
REPO_KEYS: Final[Mapping[str, values.Parser]] = {
    **dict.fromkeys(("url", "audience", *_ENDPOINTS, "simple-url"), values.string),
    "attestations": values.boolean,
    "local-versions": values.boolean,
    "listing": values.one_of("none"),
    **CERTIFICATES,
}


class Repositories:
    """The indexes that the user can choose from."""

    def __init__(self, problems: list[Message]) -> None:
        """
        Args:
            problems: every mistake is added to these.
        """
        self._problems = problems
        self._known = {name: Repository(name, url) for name, url in UPLOAD_URLS.items()}
        self._from_project: set[str] = set()

    def add(self, name: str, raw: object, prefix: str, *, from_project: bool) -> None:
        """Add one entry of ``repos``; it replaces the same entry of a lower layer."""
        key = f"{prefix}repos.{name}"
        table = {"url": raw} if isinstance(raw, str) else raw
        name = _ALIASES.get(name, name)
        if not isinstance(table, Mapping):
            self._problem("not-a-url-or-table", key, value=values.shown(raw))
        elif name in {"auto", "rehearsal"} or "://" in name or not name.isprintable() or len(name) > 100:
            self._problem("reserved-name", key)
        else:
            parsed = values.read_table(table, REPO_KEYS, f"{key}.", self._problems)
            if name in UPLOAD_URLS:
                self._check_pypi(name, parsed, key, from_project=from_project)
                parsed = {"url": UPLOAD_URLS[name]} | {one: parsed[one] for one in CERTIFICATES if one in parsed}
            elif "url" not in table:
                self._problem("missing-key", f"{key}.url")
            else:
                self._check(parsed, key)
                if from_project and not url_problem(parsed.get("url", "")):
                    self._check_origins(name, parsed, key)
            certificates = Certificates(**_fields(parsed, CERTIFICATES))
            rest = _fields(parsed, parsed.keys() - CERTIFICATES.keys())
            self._known[name] = Repository(name, certificates=certificates, **{"url": "", **rest})
            (self._from_project.add if from_project else self._from_project.discard)(name)

    def choose(self, repo: str, prefix: str, certificates: Mapping[str, str]) -> Repository:
        """Return the index that *repo* names, with the *certificates* of the command line."""
        repo = _ALIASES.get(repo, repo)
        by_url = {one.url.rstrip("/"): one for one in self._known.values()}
        chosen = self._known.get(repo) or by_url.get(repo.rstrip("/")) or Repository(repo, repo)
        if repo == "rehearsal":
            chosen = Repository(repo, "")
        elif chosen.name == chosen.url and "://" not in repo:
            names = [*self._known, "auto", "rehearsal"]
            self._problem("unknown-index", f"{prefix}repo", repo=shown_url(repo), names=names)
        elif chosen.name == chosen.url and (problem := _index_url_problem(repo)):
            self._problem("bad-url", f"{prefix}repo", problem=problem)
        chosen = replace(chosen, certificates=replace(chosen.certificates, **_fields(certificates, CERTIFICATES)))
        if chosen.certificates.client_key and not chosen.certificates.client_cert:
            key = "--client-key" if "client-key" in certificates else f"repos.{chosen.name}.client-key"
            self._problem("key-without-certificate", key)
        return chosen

    def with_audience(self, chosen: Repository, audience: str, key: str, *, typed: bool) -> Repository:
        """Return *chosen* with the audience that the workflow expects.

        Args:
            typed: whether the workflow names the URL of the index, too.
        """
        trusted = typed or (chosen.name in self._known and chosen.name not in self._from_project)
        if chosen.name in {*UPLOAD_URLS, "rehearsal"}:
            self._problem("fixed-audience", key)
        elif is_reserved(audience):
            self._problem("audience-of-another-service", key, audience=audience)
        elif not trusted and not names_host(audience, chosen.url):
            self._problem("url-from-project", key, line=shlex.join(["-r", chosen.url]))
        return replace(chosen, audience=audience)

    def _check(self, parsed: Mapping[str, Any], key: str) -> None:
        for name in ("url", "simple-url", *_ENDPOINTS):
            judge = _index_url_problem if name == "url" else url_problem
            if name in parsed and (problem := judge(parsed[name])):
                self._problem("bad-url", f"{key}.{name}", problem=problem)
        if is_reserved(audience := parsed.get("audience", "")):
            self._problem("audience-of-another-service", f"{key}.audience", audience=audience)
        ends = [parsed[name] for name in _ENDPOINTS if name in parsed]
        if len(ends) == 1:
            self._problem("half-of-the-endpoints", key)
        if len(ends) == 2 and not any(map(url_problem, ends)) and host_of(ends[0]) != host_of(ends[1]):
            self._problem("endpoints-on-two-hosts", f"{key}.{_ENDPOINTS[1]}")

    def _check_pypi(self, name: str, parsed: Mapping[str, Any], key: str, *, from_project: bool) -> None:
        for one, value in parsed.items():
            if one not in CERTIFICATES:
                self._problem("fixed-index", f"{key}.{one}", url=UPLOAD_URLS[name])
            elif from_project:
                self._problem("workflow-only", f"{key}.{one}", line=shlex.join([f"--{one}", value]))

    def _check_origins(self, name: str, parsed: Mapping[str, Any], key: str) -> None:
        url, audience = parsed["url"], parsed.get("audience")
        if audience is not None and not is_reserved(audience) and not names_host(audience, url):
            line = shlex.join(["-r", url, "-o", f"audience={audience}"])
            self._problem("workflow-only", f"{key}.audience", line=line)
        for one in _ENDPOINTS:
            if one in parsed and not url_problem(parsed[one]) and host_of(parsed[one]) != host_of(url):
                self._problem("config-only", f"{key}.{one}", table=f"publish.trusted.repos.{name}")

    def _problem(self, code: str, key: str, **facts: object) -> None:
        problem = Message(code, key=key, **facts)
        if problem not in self._problems:  # both indexes of `auto` may have it
            self._problems.append(problem)


def _index_url_problem(url: str) -> Message | None:
    """Why *url* cannot be that of an index other than PyPI and TestPyPI, which have their own trust rules."""
    if problem := url_problem(url):
        return problem
    name = _PYPI_HOSTS.get(host_of(url))
    return None if name is None else Message("known-index", url=url, name=name)


def _fields(table: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """Some keys of a table, as the names of fields."""
    return {key.replace("-", "_"): table[key] for key in keys if key in table}
