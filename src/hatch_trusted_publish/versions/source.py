"""hatch-vcs's version, public; or a refusal. Every build loads this: it must stay cheap.

Rules:

- Wherever a version comes from, with ``drop`` the *result* has no local segment: hatch-vcs's
  ``no-local-version`` does not see ``SETUPTOOLS_SCM_PRETEND_VERSION`` and ``fallback-version``.
- History, changed files and the commit's time are checked for versions that setuptools-scm made from the
  state of a checkout: it shows that state to the local scheme.
- setuptools-scm names the repository to Git, which switches off Git's check of who owns it. So Git is asked
  first, and setuptools-scm only where Git does not refuse.
- A refusal ends the build by `SystemExit`: hatchling shows every other exception as a traceback.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from hatch_vcs.version_source import VCSVersionSource
from packaging.version import Version

from ..errors import Message, VersionError
from . import history

OVERRIDE: Final = "HATCH_TRUSTED_PUBLISH_LOCAL_VERSION"
_CHOICES: Final = {
    "local-version": ("drop", "keep"),
    "dev-number": ("distance", "commit-time"),
    "history": ("auto", "fetch", "require", "any"),
}
"""The keys of this source; the first choice is the default."""
_OTHER_KEYS: Final = frozenset({"source", "scheme", "tag-pattern", "fallback-version", "raw-options", "validate-bump"})
"""The keys of hatchling and hatch-vcs."""


class PublicVersionSource(VCSVersionSource):
    """``source = "vcs-public"``; docs/reference/index.md describes the keys."""

    PLUGIN_NAME = "vcs-public"

    def get_version_data(self) -> dict[str, str]:
        """Return the version, as hatchling asks for it.

        Raises:
            SystemExit: the options, the repository or the tag cannot be used.
        """
        try:
            return {"version": self.version()}
        except VersionError as error:
            raise SystemExit(f"vcs-public: {error}") from None

    def set_version(self, version: str, version_data: dict[str, str]) -> None:  # noqa: ARG002 - hatchling's
        """Refuse ``hatch version NEW``: only a tag changes the version."""
        raise SystemExit(f"vcs-public: {VersionError('version-comes-from-tags', version=version)}")

    def version(self) -> str:
        """Return the version.

        Raises:
            VersionError: the options, the repository or the tag cannot be used.
        """
        options = self._options()
        self._state: Any = None
        self._tag: str | None = None
        version = self._counted(options["history"])
        # A tag that is a .devN itself is that release.
        has_number = self._state is not None and not self._state.exact and Version(version).is_devrelease
        if options["dev-number"] == "commit-time" and has_number:
            version = self._with_commit_time(version)
        if options["local-version"] == "drop":
            version = version.partition("+")[0]
            self._check_changed_tag(version)
        return version

    @property
    def _raw(self) -> dict[str, Any]:
        options = self.config.get("raw-options")
        return options if isinstance(options, dict) else {}  # hatch-vcs refuses other types

    @property
    def _repository(self) -> Path:
        return Path(self.root, str(self._raw.get("root", ".")))

    def _options(self) -> dict[str, str]:
        chosen = {key: self.config.get(key, choices[0]) for key, choices in _CHOICES.items()}
        override = os.environ.get(OVERRIDE, "")
        if problems := [*self._problems(chosen, override)]:
            raise VersionError("version-table-refused", problems)
        if chosen["history"] == "auto":
            chosen["history"] = "fetch" if history.in_ci() else "any"
        return {**chosen, "local-version": override or chosen["local-version"]}

    def _problems(self, chosen: Mapping[str, object], override: str) -> Iterator[Message]:
        known = _OTHER_KEYS | _CHOICES.keys()
        if self.config.get("scheme", "standard") == "standard" and (unknown := self.config.keys() - known):
            yield Message("unknown-version-keys", keys=sorted(unknown), known=sorted(known))
        for key, value in chosen.items():
            if value not in _CHOICES[key]:
                yield Message("bad-version-key", key=key, choices=_CHOICES[key], found=repr(value))
        if override and override not in _CHOICES["local-version"]:
            yield Message("bad-local-version-variable", variable=OVERRIDE, found=override)
        scheme = self._raw.get("local_scheme")
        drops = str(scheme).startswith("no-local-version")
        if scheme is not None and (drops != (chosen["local-version"] == "drop") or (drops and override == "keep")):
            yield Message("contradicting-local-scheme", scheme=scheme, variable=OVERRIDE)

    def construct_setuptools_scm_config(self) -> dict[str, Any]:
        """Return hatch-vcs's, with an observer before the local scheme, which adds no segment of its own."""
        config: dict[str, Any] = super().construct_setuptools_scm_config()
        schemes = config.get("local_scheme", "node-and-date")
        config["local_scheme"] = [self._observe, *(schemes if isinstance(schemes, list) else [schemes])]
        if self._tag is not None:
            describe = ["git", "describe", "--dirty", "--tags", "--long", "--match", history.exactly(self._tag)]
            config["git_describe_command"] = describe
        return config

    def _observe(self, state: Any) -> None:
        self._state = state

    def _counted(self, mode: str) -> str:
        """Return setuptools-scm's version, counted from a complete history and the right tag."""
        version = self._ask()
        root = self._repository
        if self._state is None or history.is_archive(root):
            return version
        has_tag = str(self._state.tag) != "0.0"  # what setuptools-scm uses if no tag exists
        if not has_tag:
            history.check(root)
        if found := history.missing(root, self._state.distance if has_tag else None):
            if mode == "any":
                _warn(history.incomplete(found, version=version).message)
            elif history.fetch_or_refuse(root, found, mode):
                version = self._ask()
        # With an own command, the user has decided which tag counts.
        if not self._raw.keys() & {"git_describe_command", "scm", "tag"}:
            self._tag = history.higher_tag(root, self._state.tag)
        return version if self._tag is None else self._ask()

    def _ask(self) -> str:
        """Return what setuptools-scm says."""
        root = self._repository
        is_read = (root / ".git").exists() or self._raw.get("search_parent_directories")
        if is_read and not any("_PRETEND_VERSION" in name for name in os.environ):
            history.working_tree(root)  # Git refuses a repository before setuptools-scm reads it
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".*shallow")  # `history` decides that
                warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*git_describe_command")
                version: str = super().get_version_data()["version"]
                Version(version)
                return version
        except Exception as error:  # noqa: BLE001 - setuptools-scm, and what its options name, raise anything
            if (root / ".git").exists() or history.working_tree(root):
                history.check(root)
            elif isinstance(error, LookupError):
                raise VersionError("no-repository") from None
            raise VersionError("no-version", said=str(error) or type(error).__name__) from None

    def _with_commit_time(self, version: str) -> str:
        when, *before = history.commit_times(self._repository)
        if before and max(before) >= when:
            _warn(Message("commit-time-not-later", time=f"{when:%Y-%m-%d %H:%M:%S}"))
        public, plus, local = str(Version(version)).partition("+")
        return f"{public.rpartition('.dev')[0]}.dev{when:%Y%m%d%H%M%S}{plus}{local}"

    def _check_changed_tag(self, version: str) -> None:
        """Without its local segment, *version* does not show that it belongs to no commit."""
        state = self._state
        if state is None or not state.dirty or state.distance or state.node is None:
            return
        files = history.changed_files(self._repository)
        changed = VersionError("changed-tag", tag=str(state.tag), files=files, version=version)
        if history.in_ci():
            raise changed
        _warn(changed.message)


def _warn(message: Message) -> None:
    sys.stderr.write(f"vcs-public: warning: {message.coded}\n")
