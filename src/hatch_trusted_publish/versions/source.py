"""hatch-vcs's version, public; or a refusal. Every build loads this: it must stay cheap.

Rules:

- Whatever way leads to a version, with ``drop`` the *result* has no local segment: hatch-vcs's
  ``no-local-version`` does not see ``SETUPTOOLS_SCM_PRETEND_VERSION`` and ``fallback-version``.
- What history, a dirty tree and the commit's time are checked for holds for versions that
  setuptools-scm made from the state of a checkout: it shows that state to the local scheme.
- A refusal ends the build by `SystemExit`: hatchling lets every other exception out as a traceback.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from hatch_vcs.version_source import VCSVersionSource
from packaging.version import InvalidVersion, Version

from ..errors import clean
from . import history

OVERRIDE: Final = "HATCH_TRUSTED_PUBLISH_LOCAL_VERSION"
_CHOICES: Final = {
    "local-version": ("drop", "keep"),
    "dev-number": ("distance", "commit-time"),
    "history": ("auto", "fetch", "require", "any"),
}
"""The keys of this source; the first choice is the default."""
_OTHER_KEYS: Final = frozenset({"source", "scheme", "tag-pattern", "fallback-version", "raw-options", "validate-bump"})
"""hatchling's own keys, and hatch-vcs's."""
_TYPES: Final = (
    ("tag-pattern", str, "a string"),
    ("fallback-version", str, "a string"),
    ("raw-options", dict, "a table"),
)
"""Of those that hatch-vcs reads: it raises on others."""


@dataclass(frozen=True, slots=True)
class _Options:
    local_version: str
    dev_number: str
    history: str


class PublicVersionSource(VCSVersionSource):
    """``source = "vcs-public"``; docs/reference/index.md says what each key means."""

    PLUGIN_NAME = "vcs-public"

    def get_version_data(self) -> dict[str, str]:
        """The version, as hatchling asks for it.

        Raises:
            SystemExit: the options, the repository or the tag cannot be used; with what to do.
        """
        options = self._options()
        self._state: Any = None
        self._tag: str | None = None
        packaged = Path(self.root, "PKG-INFO")
        version = _packaged_version(packaged) if packaged.is_file() else self._from_checkout(options)
        try:
            parsed = Version(version)
        except InvalidVersion:
            _refuse(
                f"{clean(version, 80)!r} is not a version (PEP 440). Look at the tag, variable, option or PKG-INFO that it "
                "was made from"
            )
        # A tag that is a .devN itself is that release, and no other.
        is_counted = self._state is not None and not self._state.exact and parsed.dev is not None
        if options.dev_number == "commit-time" and is_counted:
            version = self._with_commit_time(parsed)
        if options.local_version == "drop":
            version = version.partition("+")[0]
            self._check_changed_tag(version)
        return {"version": version}

    def _options(self) -> _Options:
        known = _OTHER_KEYS | _CHOICES.keys()
        if self.config.get("scheme", "standard") == "standard" and (unknown := self.config.keys() - known):
            names = ", ".join(clean(key, 40) for key in sorted(unknown))
            _refuse(f"[tool.hatch.version] has keys that nothing reads: {names}. There are {', '.join(sorted(known))}")
        for key, kind, name in _TYPES:
            if key in self.config and not isinstance(self.config[key], kind):
                _refuse(f"`{key}` in [tool.hatch.version] must be {name}, not {clean(self.config[key], 40)!r}")
        chosen = {key: self.config.get(key, choices[0]) for key, choices in _CHOICES.items()}
        for key, choices in _CHOICES.items():
            if chosen[key] not in choices:
                _refuse(
                    f"`{key}` in [tool.hatch.version] must be one of {', '.join(choices)}, not {clean(chosen[key], 40)!r}"
                )
        override = os.environ.get(OVERRIDE, "")
        if override and override not in _CHOICES["local-version"]:
            _refuse(f"the variable {OVERRIDE} must be drop or keep, not {clean(override, 40)!r}")
        self._check_local_scheme(chosen["local-version"], override)
        if chosen["history"] == "auto":
            chosen["history"] = "fetch" if history.in_ci(os.environ) else "any"
        return _Options(override or chosen["local-version"], chosen["dev-number"], chosen["history"])

    def _check_local_scheme(self, configured: str, override: str) -> None:
        scheme = self.config.get("raw-options", {}).get("local_scheme")
        if scheme is None:
            return
        drops = str(scheme).startswith("no-local-version")
        if drops != (configured == "drop"):
            wanted = f"`local-version` ({configured}) in [tool.hatch.version]"
        elif drops and override == "keep":
            wanted = f"the variable {OVERRIDE} (keep)"
        else:
            return
        _refuse(
            f"`raw-options.local_scheme` ({clean(scheme, 60)}) contradicts {wanted}. Remove the former; `local-version` "
            "decides"
        )

    def construct_setuptools_scm_config(self) -> dict[str, Any]:
        """hatch-vcs's, with an observer before the local scheme: it gives no segment of its own."""
        config: dict[str, Any] = super().construct_setuptools_scm_config()
        schemes = config.get("local_scheme", "node-and-date")
        config["local_scheme"] = [self._observe, *(schemes if isinstance(schemes, list) else [schemes])]
        if self._tag is not None:
            exactly = re.sub(r"([*?\[\\])", r"\\\1", self._tag)
            config["git_describe_command"] = ["git", "describe", "--dirty", "--tags", "--long", "--match", exactly]
        return config

    def _observe(self, state: Any) -> None:
        self._state = state

    def _from_checkout(self, options: _Options) -> str:
        root = Path(self.root)
        version = self._ask(options)
        if self._state is None:
            return version  # told by a variable, a fallback or an archive
        try:
            if history.mend(root, self._state, options.history, os.environ):
                version = self._ask(options)
        except history.Incomplete as problem:
            _refuse(str(problem))
        # Who gives a command of their own has decided which tag counts.
        if self._state.distance and not self.config.get("raw-options", {}).keys() & {
            "git_describe_command",
            "scm",
            "tag",
        }:
            self._tag = history.higher_tag(root, self._state)
            version = version if self._tag is None else self._ask(options)
        return version

    def _check_changed_tag(self, version: str) -> None:
        """Without its local segment, *version* does not tell that it is none of a commit."""
        state = self._state
        if state is None or not state.dirty or state.distance or state.node is None:
            return
        changed = ", ".join(clean(name, 60) for name in history.changed_files(Path(self.root))[:10])
        what = f"this commit has the tag of {state.tag}, but tracked files were changed since ({changed})"
        if history.in_ci(os.environ):
            _refuse(
                f"{what}: the version would silently be {version}. See to it that no step before the build changes them "
                "(`git diff` shows how they differ), or leave them out of Git"
            )
        sys.stderr.write(f"vcs-public: warning: {what}: the version is {version}\n")

    def _ask(self, options: _Options) -> str:
        with warnings.catch_warnings():
            if options.history != "any":  # whether a shallow clone is a problem is for `history` to say
                warnings.filterwarnings("ignore", message=".*shallow")
            warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*git_describe_command")
            if shutil.which("git") is None:
                logging.disable()  # setuptools-scm before 10 logs a traceback of that
            try:
                return str(super().get_version_data()["version"])
            except Exception as error:  # noqa: BLE001 - setuptools-scm, and what its options name, raise what they like
                _refuse(_no_version(Path(self.root), error))
            finally:
                logging.disable(logging.NOTSET)

    def _with_commit_time(self, version: Version) -> str:
        try:
            number = history.commit_time(Path(self.root))
        except history.Incomplete as problem:
            _refuse(str(problem))
        public, plus, local = str(version).partition("+")
        return f"{public.rpartition('.dev')[0]}.dev{number}{plus}{local}"


def _packaged_version(packaged: Path) -> str:
    """Inside an unpacked sdist its PKG-INFO is the truth, whatever repository lies around it."""
    from packaging.metadata import parse_email

    try:
        return parse_email(packaged.read_bytes())[0]["version"]
    except (OSError, KeyError):
        _refuse("PKG-INFO, which says that this is an unpacked sdist, has no version in it. Unpack it again")


def _no_version(root: Path, error: Exception) -> str:
    """What is to be said when setuptools-scm found none."""
    if problem := history.problem(root):
        return problem
    if isinstance(error, LookupError) and not history.is_repository(root):
        return (
            "this folder is no Git checkout, and holds no PKG-INFO of an sdist and no .git_archival.txt of an archive. Build "
            "from a clone or an sdist; a `fallback-version` in [tool.hatch.version] would be used here, if you want that"
        )
    if isinstance(error, TypeError):
        return (
            f"setuptools-scm cannot use the `raw-options` in [tool.hatch.version] ({clean(error, 200)}). They are the arguments "
            "of its `get_version`; remove or correct what is none"
        )
    said = clean(error, 200) or type(error).__name__
    return (
        f"setuptools-scm found no version ({said}). If a tag is not meant to be one, say by `tag-pattern` in "
        "[tool.hatch.version] which are; if the repository's root is above this folder, name it by `raw-options.root`"
    )


def _refuse(problem: str) -> NoReturn:
    raise SystemExit(f"vcs-public: {problem}.")
