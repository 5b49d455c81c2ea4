"""``source = "vcs-public"``: its keys, each way that leads to a version, and what is refused."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from hatch_vcs.version_source import VCSVersionSource

from hatch_trusted_publish.versions.source import OVERRIDE, PublicVersionSource
from tests.support.repositories import Repository, git, isolate, write_lines

PRETEND = "SETUPTOOLS_SCM_PRETEND_VERSION"
KNOWN = "dev-number, fallback-version, history, local-version, raw-options, scheme, source, tag-pattern, validate-bump"
NO_CHECKOUT = (
    "this folder is no Git checkout, and holds no PKG-INFO of an sdist and no .git_archival.txt of an archive. Build from a "
    "clone or an sdist; a `fallback-version` in [tool.hatch.version] would be used here, if you want that"
)
NO_VERSION = (
    "If a tag is not meant to be one, say by `tag-pattern` in [tool.hatch.version] which are; if the repository's root is "
    "above this folder, name it by `raw-options.root`"
)


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    isolate(monkeypatch, tmp_path)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A tag, and two commits since."""
    repository = Repository(tmp_path / "repository")
    repository.commit("v1.0")
    repository.commits(2)
    return repository


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that is no checkout of anything."""
    folder = tmp_path / "sample-4.0+x"
    folder.mkdir()
    (folder / "pyproject.toml").touch()
    monkeypatch.chdir(folder)  # as hatchling does: setuptools-scm before 10 looks for archives here alone
    return folder


def version(root: Path, **config: Any) -> str:
    """The version by *config*, whose keys are written with underscores."""
    return PublicVersionSource(str(root), dashed(config)).get_version_data()["version"]


def hatch_vcs(root: Path, **config: Any) -> str:
    """What hatch-vcs makes of the same."""
    told: str = VCSVersionSource(str(root), dashed(config)).get_version_data()["version"]
    return told


def dashed(config: dict[str, Any]) -> dict[str, Any]:
    return {key.replace("_", "-"): value for key, value in config.items()}


def refusal(root: Path, **config: Any) -> str:
    """Why there is no version."""
    with pytest.raises(SystemExit) as refused:
        version(root, **config)
    return str(refused.value)


class TestLocalVersion:
    """With ``drop`` the result has no local segment, whatever way leads to it."""

    def test_drop(self, repository: Repository) -> None:
        """Without any key the version is public."""
        assert version(repository.root) == "1.1.dev2"

    def test_keep(self, repository: Repository) -> None:
        """What is kept is what hatch-vcs makes."""
        told = hatch_vcs(repository.root)
        assert told.startswith("1.1.dev2+g")
        assert told == version(repository.root, local_version="keep")

    @pytest.mark.parametrize(
        ("key", "variable", "is_kept"),
        [
            ("drop", "keep", True),
            ("keep", "drop", False),
            ("drop", "", False),
            ("keep", "", True),
            ("keep", "keep", True),
        ],
    )
    def test_variable(
        self, repository: Repository, monkeypatch: pytest.MonkeyPatch, key: str, variable: str, is_kept: bool
    ) -> None:
        """The variable wins over the key, unless it is empty."""
        monkeypatch.setenv(OVERRIDE, variable)
        expected = hatch_vcs(repository.root) if is_kept else "1.1.dev2"
        assert expected == version(repository.root, local_version=key)

    def test_wrong_variable(self, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        """A variable that says something else is not taken for a default."""
        monkeypatch.setenv(OVERRIDE, "Keep")
        expected = f"vcs-public: the variable {OVERRIDE} must be drop or keep, not 'Keep'."
        assert expected == refusal(repository.root)

    @pytest.mark.parametrize("variable", ["", "drop"])
    def test_no_local_scheme_agrees(
        self, repository: Repository, monkeypatch: pytest.MonkeyPatch, variable: str
    ) -> None:
        """The line that projects have today may stay."""
        monkeypatch.setenv(OVERRIDE, variable)
        assert version(repository.root, raw_options={"local_scheme": "no-local-version"}) == "1.1.dev2"

    @pytest.mark.parametrize("scheme", ["node-and-date", "dirty-tag", ["dirty-tag", "node-and-date"]])
    @pytest.mark.parametrize("variable", ["", "keep", "drop"])
    def test_local_scheme_agrees(
        self, repository: Repository, monkeypatch: pytest.MonkeyPatch, scheme: object, variable: str
    ) -> None:
        """Where the segment is kept, its scheme can be chosen; the variable can still drop it."""
        monkeypatch.setenv(OVERRIDE, variable)
        options = {"local_scheme": scheme}
        told = "1.1.dev2" if variable == "drop" else hatch_vcs(repository.root, raw_options=options)
        assert told == version(repository.root, local_version="keep", raw_options=options)

    @pytest.mark.parametrize(
        ("config", "variable", "contradicted"),
        [
            ({"local_scheme": "node-and-date"}, "", "`local-version` (drop) in [tool.hatch.version]"),
            ({"local_scheme": "node-and-date"}, "keep", "`local-version` (drop) in [tool.hatch.version]"),
            ({"local_scheme": ["dirty-tag"]}, "", "`local-version` (drop) in [tool.hatch.version]"),
            ({"local_scheme": "no-local-version"}, "keep", f"the variable {OVERRIDE} (keep)"),
            (
                {"local-version": "keep", "local_scheme": "no-local-version"},
                "",
                "`local-version` (keep) in [tool.hatch.version]",
            ),
            (
                {"local-version": "keep", "local_scheme": "no-local-version"},
                "drop",
                "`local-version` (keep) in [tool.hatch.version]",
            ),
        ],
        ids=["drop", "drop-kept-by-variable", "list", "variable", "keep", "keep-dropped-by-variable"],
    )
    def test_contradiction(
        self,
        repository: Repository,
        monkeypatch: pytest.MonkeyPatch,
        config: dict[str, Any],
        variable: str,
        contradicted: str,
    ) -> None:
        """Two options that say the opposite are refused; a variable does not settle that."""
        monkeypatch.setenv(OVERRIDE, variable)
        scheme = config.pop("local_scheme")
        expected = (
            f"vcs-public: `raw-options.local_scheme` ({scheme}) contradicts {contradicted}. Remove the former; "
            "`local-version` decides."
        )
        assert expected == refusal(repository.root, raw_options={"local_scheme": scheme}, **config)

    @pytest.mark.parametrize(("key", "expected"), [("drop", "2.0"), ("keep", "2.0+dirty")])
    def test_pretended(self, repository: Repository, monkeypatch: pytest.MonkeyPatch, key: str, expected: str) -> None:
        """setuptools-scm's variable passes by its own schemes, not by this."""
        monkeypatch.setenv(PRETEND, "2.0+dirty")
        assert hatch_vcs(repository.root, raw_options={"local_scheme": "no-local-version"}) == "2.0+dirty"
        assert expected == version(repository.root, local_version=key)

    @pytest.mark.parametrize(("key", "expected"), [("drop", "3.0"), ("keep", "3.0+loc")])
    @pytest.mark.parametrize(
        "config",
        [{"fallback-version": "3.0+loc"}, {"raw-options": {"fallback_version": "3.0+loc"}}],
        ids=["key", "raw"],
    )
    def test_fallback(self, folder: Path, config: dict[str, Any], key: str, expected: str) -> None:
        """A fallback is taken where there is nothing else."""
        assert hatch_vcs(folder, **config) == "3.0+loc"
        assert expected == version(folder, local_version=key, **config)

    @pytest.mark.parametrize(("key", "expected"), [("drop", "4.0"), ("keep", "4.0+x")])
    @pytest.mark.filterwarnings("ignore:tag '4.0.x' will be stripped of its suffix:UserWarning")
    def test_folder_name(self, folder: Path, key: str, expected: str) -> None:
        """A version from the folder's name is public as well."""
        options = {"parentdir_prefix_version": "sample-"}
        told = hatch_vcs(folder, raw_options=options)  # setuptools-scm 8 has no local segments from names
        assert told.startswith("4.0")
        assert (told if key == "keep" else expected) == version(folder, local_version=key, raw_options=options)

    @pytest.mark.filterwarnings("ignore:tag 'v1.5.build7' will be stripped of its suffix:UserWarning")
    def test_tag(self, repository: Repository) -> None:
        """A local segment in a tag is dropped and kept like any other."""
        repository.commit("v1.5+build7")
        assert version(repository.root) == "1.5"
        assert hatch_vcs(repository.root) == version(repository.root, local_version="keep")
        repository.commit()
        assert version(repository.root) == "1.6.dev1"
        assert hatch_vcs(repository.root) == version(repository.root, local_version="keep")

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("describe-name: v1.0-2-g0123456789", "1.1.dev2"),
            ("describe-name: v1.0-0-g0123456789", "1.0"),
            ("ref-names: HEAD -> main, tag: v1.2", "1.2"),
        ],
        ids=["distance", "tag", "name-of-the-tag"],
    )
    @pytest.mark.parametrize("mode", ["any", "fetch", "require"])
    @pytest.mark.filterwarnings("ignore:git archive did not support describe output:UserWarning")
    def test_archive(self, folder: Path, line: str, expected: str, mode: str) -> None:
        """An archive has the version of its commit, whatever is wanted of history."""
        write_lines(folder / ".git_archival.txt", ["node: 0123456789abcdef0123456789abcdef01234567", line])
        assert expected == version(folder, history=mode)
        assert hatch_vcs(folder) == version(folder, history=mode, local_version="keep")

    @pytest.mark.parametrize(("key", "expected"), [("drop", "1.2"), ("keep", "1.2+abc")])
    def test_packaged(self, folder: Path, key: str, expected: str) -> None:
        """In an unpacked sdist its own version is taken."""
        write_lines(folder / "PKG-INFO", ["Metadata-Version: 2.4", "Name: sample", "Version: 1.2+abc"])
        assert expected == version(folder, local_version=key)

    def test_packaged_in_a_repository(self, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        """An sdist unpacked in a repository is none of it, and no variable changes what it is."""
        unpacked = repository.root / "sample-0.9"
        unpacked.mkdir()
        write_lines(unpacked / "PKG-INFO", ["Metadata-Version: 2.4", "Name: sample", "Version: 0.9"])
        monkeypatch.setenv(PRETEND, "2.0")
        assert version(unpacked, raw_options={"root": ".."}) == "0.9"

    def test_not_normalized(self, folder: Path) -> None:
        """A version stays as it is written, as hatchling puts it into METADATA."""
        write_lines(folder / "PKG-INFO", ["Metadata-Version: 2.4", "Name: sample", "Version: 2026.08.10"])
        assert version(folder) == "2026.08.10"


class TestDevNumber:
    """N of ``.devN``."""

    TIME = "20240101000200"

    def test_distance(self, repository: Repository) -> None:
        """The number of commits."""
        assert version(repository.root, dev_number="distance") == "1.1.dev2"

    def test_commit_time(self, repository: Repository) -> None:
        """The time of the commit, with and without the local segment."""
        local = hatch_vcs(repository.root).partition("+")[2]
        assert f"1.1.dev{self.TIME}" == version(repository.root, dev_number="commit-time")
        expected = f"1.1.dev{self.TIME}+{local}"
        assert expected == version(repository.root, dev_number="commit-time", local_version="keep")

    def test_two_branches(self, repository: Repository) -> None:
        """Two branches with as many commits collide by distance, and not by time."""
        repository.git("checkout", "--quiet", "-b", "other", "HEAD~1")
        repository.commit()
        assert version(repository.root) == "1.1.dev2"
        assert version(repository.root, dev_number="commit-time") == "1.1.dev20240101000300"

    @pytest.mark.parametrize("tag", ["v2.0", "v2.0rc1", "v2.0.dev3"])
    def test_tagged(self, repository: Repository, tag: str) -> None:
        """A tagged commit has the version of its tag, also if that is a development release."""
        repository.commit(tag)
        assert tag[1:] == version(repository.root, dev_number="commit-time")

    @pytest.mark.parametrize(
        ("scheme", "expected"),
        [
            ("guess-next-dev", f"1.1.dev{TIME}"),
            ("no-guess-dev", f"1.0.post1.dev{TIME}"),
            ("python-simplified-semver", f"1.0.1.dev{TIME}"),
            ("post-release", "1.0.post2"),
            ("only-version", "1.0"),
        ],
    )
    @pytest.mark.filterwarnings("ignore:Version scheme 'python-simplified-semver' has been renamed:DeprecationWarning")
    def test_schemes(self, repository: Repository, scheme: str, expected: str) -> None:
        """The number replaces that of any scheme that makes one."""
        options = {"version_scheme": scheme}
        assert expected == version(repository.root, dev_number="commit-time", raw_options=options)

    def test_pretended(self, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        """A version that somebody gave is theirs."""
        monkeypatch.setenv(PRETEND, "2.0.dev7")
        assert version(repository.root, dev_number="commit-time") == "2.0.dev7"

    def test_epoch(self, repository: Repository) -> None:
        """Everything before ``.devN`` stays."""
        repository.commit("v1!2.0rc1")
        repository.commit()
        assert version(repository.root, dev_number="commit-time") == "1!2.0rc2.dev20240101000400"

    def test_archive(self, folder: Path) -> None:
        """An archive has the time of its commit."""
        lines = ["node: 0123456789", "node-date: 2024-01-01T02:02:00+02:00", "describe-name: v1.0-2-g0123456789"]
        write_lines(folder / ".git_archival.txt", lines)
        assert f"1.1.dev{self.TIME}" == version(folder, dev_number="commit-time")

    def test_no_date(self, folder: Path) -> None:
        """A number is not made up."""
        write_lines(folder / ".git_archival.txt", ["node: 0123456789", "describe-name: v1.0-2-g0123456789"])
        expected = (
            'vcs-public: `dev-number = "commit-time"` needs the date of a commit, and none is known here. Build from a '
            "checkout, or use `distance`."
        )
        assert expected == refusal(folder, dev_number="commit-time")


class TestHistory:
    """Shallow clones, and clones without tags."""

    @pytest.mark.parametrize("mode", [None, "auto", "fetch"])
    def test_fetched_in_ci(
        self, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str | None
    ) -> None:
        """In a CI the version is that of a full clone, without a warning, and without being told."""
        monkeypatch.setenv("CI", "true")
        clone = repository.clone(tmp_path / "clone", "--depth=1")
        assert version(clone, **({} if mode is None else {"history": mode})) == "1.1.dev2"

    @pytest.mark.parametrize("value", [None, "", "false"])
    @pytest.mark.filterwarnings("ignore:.*is shallow and may cause errors:UserWarning")
    def test_taken_elsewhere(
        self, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None
    ) -> None:
        """On a person's machine nothing is fetched unasked."""
        if value is not None:
            monkeypatch.setenv("CI", value)
        clone = repository.clone(tmp_path / "clone", "--depth=1")
        assert version(clone) == "0.1.dev1"

    def test_taken_with_a_warning(self, repository: Repository, tmp_path: Path) -> None:
        """What hatch-vcs warns of is not hidden by ``any``."""
        clone = repository.clone(tmp_path / "clone", "--depth=1")
        with pytest.warns(UserWarning, match="is shallow and may cause errors"):
            assert version(clone, history="any") == "0.1.dev1"

    def test_fetched_elsewhere(self, repository: Repository, tmp_path: Path) -> None:
        """A person can ask for the whole history."""
        clone = repository.clone(tmp_path / "clone", "--depth=1")
        assert version(clone, history="fetch") == "1.1.dev2"

    def test_required(self, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """``require`` refuses, in a CI too, with the remedy for it."""
        monkeypatch.setenv("CI", "true")
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
        expected = (
            "vcs-public: this is a shallow clone without the commits since the last tag, so a version would be a guess "
            "(`history` is `require`). Add `fetch-depth: 0` under `with:` of actions/checkout in this job."
        )
        assert expected == refusal(repository.clone(tmp_path / "clone", "--depth=1"), history="require")

    def test_tags_are_fetched(self, repository: Repository, tmp_path: Path) -> None:
        """A clone without tags gets them."""
        assert version(repository.clone(tmp_path / "clone", "--no-tags"), history="fetch") == "1.1.dev2"

    @pytest.mark.parametrize("mode", ["fetch", "require", "any"])
    def test_no_tag_yet(self, tmp_path: Path, mode: str) -> None:
        """A project without a first release has a version nevertheless."""
        repository = Repository(tmp_path / "origin")
        repository.commits(5)
        assert version(repository.clone(tmp_path / "clone"), history=mode) == "0.1.dev5"

    @pytest.mark.parametrize("mode", ["fetch", "require"])
    def test_deep_enough(self, repository: Repository, tmp_path: Path, mode: str) -> None:
        """A shallow clone that holds the tag is not refused, and not fetched into."""
        clone = repository.clone(tmp_path / "clone", "--depth=3")
        git(clone, "remote", "set-url", "origin", str(tmp_path / "gone"))
        assert version(clone, history=mode) == "1.1.dev2"

    @pytest.mark.parametrize("mode", ["fetch", "require", "any"])
    def test_no_commit_yet(self, tmp_path: Path, mode: str) -> None:
        """A new project can be built before its first commit."""
        assert version(Repository(tmp_path / "new").root, history=mode) == "0.1.dev0"


class TestChangedTag:
    """A tagged commit with changed files is not the release of that tag."""

    @pytest.fixture
    def changed(self, repository: Repository) -> Repository:
        repository.commit("v1.2")
        (repository.root / "sample.py").write_text("changed\n", "utf-8")
        return repository

    WHAT = "this commit has the tag of 1.2, but tracked files were changed since (sample.py)"

    def test_refused_in_ci(self, changed: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        """In a CI a step before the build is at fault."""
        monkeypatch.setenv("CI", "true")
        expected = (
            f"vcs-public: {self.WHAT}: the version would silently be 1.3.dev0. See to it that no step before the build "
            "changes them (`git diff` shows how they differ), or leave them out of Git."
        )
        assert expected == refusal(changed.root)

    @pytest.mark.parametrize("value", ["", "0"])
    def test_warned_elsewhere(
        self, changed: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], value: str
    ) -> None:
        """On a person's machine it is said."""
        monkeypatch.setenv("CI", value)
        assert version(changed.root) == "1.3.dev0"
        assert f"vcs-public: warning: {self.WHAT}: the version is 1.3.dev0\n" == capsys.readouterr().err

    def test_commit_time(self, changed: Repository, capsys: pytest.CaptureFixture[str]) -> None:
        """What is said is the version that is given."""
        expected = "1.3.dev20240101000300"
        assert expected == version(changed.root, dev_number="commit-time")
        assert f"vcs-public: warning: {self.WHAT}: the version is {expected}\n" == capsys.readouterr().err

    @pytest.mark.parametrize("value", ["", "true"])
    def test_kept(
        self, changed: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], value: str
    ) -> None:
        """With a local segment the version says itself that it is no release."""
        monkeypatch.setenv("CI", value)
        assert version(changed.root, local_version="keep").startswith("1.3.dev0+")
        assert capsys.readouterr().err == ""

    def test_untracked(
        self, repository: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Files that git does not know change no version."""
        repository.commit("v1.2")
        (repository.root / "untracked").touch()
        monkeypatch.setenv("CI", "true")
        assert version(repository.root) == "1.2"
        assert capsys.readouterr().err == ""

    def test_changed_later(
        self, repository: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Between releases a changed file makes no other version."""
        (repository.root / "sample.py").write_text("changed\n", "utf-8")
        monkeypatch.setenv("CI", "true")
        assert version(repository.root) == "1.1.dev2"
        assert capsys.readouterr().err == ""


class TestKeys:
    """What may stand in ``[tool.hatch.version]``."""

    @pytest.mark.filterwarnings("ignore:.*'(tag_regex|git_describe_command)' is deprecated:DeprecationWarning")
    def test_of_hatch_vcs(self, repository: Repository) -> None:
        """All of hatchling's and hatch-vcs's keys work."""
        config = {
            "source": "vcs-public",
            "scheme": "standard",
            "validate-bump": False,
            "tag-pattern": "v(.+)",
            "fallback-version": "3.0",
            "raw-options": {"version_scheme": "no-guess-dev"},
        }
        assert version(repository.root, **config) == "1.0.post1.dev2"

    @pytest.mark.filterwarnings("ignore:.*'(tag_regex|git_describe_command)' is deprecated:DeprecationWarning")
    def test_tag_pattern(self, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        """One repository can have the tags of several projects."""
        repository.commit("b-v7.0")
        repository.commit()
        (repository.root / "a").mkdir()
        monkeypatch.chdir(repository.root / "a")  # as hatchling does; `root` is relative to it
        options = {"root": "..", "git_describe_command": "git describe --dirty --tags --long --match v*"}
        assert version(repository.root / "a", tag_pattern="^v(?P<version>.+)$", raw_options=options) == "1.1.dev4"
        options["git_describe_command"] = "git describe --dirty --tags --long --match b-v*"
        assert version(repository.root / "a", tag_pattern="^b-v(?P<version>.+)$", raw_options=options) == "7.1.dev1"

    def test_version_file(self, repository: Repository) -> None:
        """What hatch-vcs does not write is not written."""
        version(repository.root, raw_options={"write_to": "_version.py"})
        assert not (repository.root / "_version.py").exists()

    def test_unknown(self, repository: Repository) -> None:
        """Nothing that is written is ignored."""
        expected = f"vcs-public: [tool.hatch.version] has keys that nothing reads: devnumber, local_version. There are {KNOWN}."
        with pytest.raises(SystemExit) as refused:
            PublicVersionSource(str(repository.root), {"local_version": "keep", "devnumber": 1}).get_version_data()
        assert expected == str(refused.value)

    def test_of_another_scheme(self, repository: Repository) -> None:
        """A version scheme of some other plugin has keys of its own."""
        assert version(repository.root, scheme="calver", zone="UTC") == "1.1.dev2"

    @pytest.mark.parametrize(
        ("key", "value", "shown"),
        [
            ("local-version", "strip", "drop, keep, not 'strip'"),
            ("local-version", False, "drop, keep, not 'False'"),
            ("dev-number", "time", "distance, commit-time, not 'time'"),
            ("dev-number", ["distance"], "distance, commit-time, not \"['distance']\""),
            ("history", "full", "auto, fetch, require, any, not 'full'"),
            ("history", {}, "auto, fetch, require, any, not '{}'"),
            ("history", 0, "auto, fetch, require, any, not '0'"),
        ],
    )
    def test_wrong_value(self, repository: Repository, key: str, value: object, shown: str) -> None:
        """A value that means nothing is refused with those that do."""
        expected = f"vcs-public: `{key}` in [tool.hatch.version] must be one of {shown}."
        assert expected == refusal(repository.root, **{key: value})

    @pytest.mark.parametrize(
        ("key", "value", "shown"),
        [
            ("tag-pattern", 5, "a string, not '5'"),
            ("fallback-version", 1.5, "a string, not '1.5'"),
            ("raw-options", "no-local-version", "a table, not 'no-local-version'"),
        ],
    )
    def test_wrong_type(self, repository: Repository, key: str, value: object, shown: str) -> None:
        """hatch-vcs's own keys have a type too."""
        expected = f"vcs-public: `{key}` in [tool.hatch.version] must be {shown}."
        assert expected == refusal(repository.root, **{key: value})

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"colour": 1}, "get_version() got an unexpected keyword argument 'colour'"),
            ({"root": 5}, "expected str, bytes or os.PathLike object, not int"),
        ],
    )
    def test_wrong_raw_options(self, repository: Repository, options: dict[str, object], said: str) -> None:
        """What setuptools-scm cannot take is told in its words."""
        expected = (
            f"vcs-public: setuptools-scm cannot use the `raw-options` in [tool.hatch.version] ({said}). They are the "
            "arguments of its `get_version`; remove or correct what is none."
        )
        assert expected == refusal(repository.root, raw_options=options)


class TestRefusals:
    """No version is better than a wrong one."""

    def test_no_repository(self, folder: Path) -> None:
        """A folder of files has no version."""
        assert f"vcs-public: {NO_CHECKOUT}." == refusal(folder)

    def test_root_is_above(self, repository: Repository) -> None:
        """setuptools-scm looks for the repository in one folder only."""
        package = repository.root / "package"
        package.mkdir()
        with pytest.raises(LookupError) as error:
            hatch_vcs(package)
        said = " ".join(str(error.value).split())[:199]
        assert f"vcs-public: setuptools-scm found no version ({said}…). {NO_VERSION}." == refusal(package)

    def test_no_git(self, repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Git has to be there; logging works as before afterwards."""
        monkeypatch.setenv("PATH", str(tmp_path))
        expected = "vcs-public: Git is not installed, or not on the PATH. Install it; the version comes from it."
        assert expected == refusal(repository.root)
        assert logging.root.manager.disable == logging.NOTSET

    @pytest.mark.parametrize("mode", ["any", "fetch"])
    def test_broken_index(self, repository: Repository, mode: str) -> None:
        """What setuptools-scm takes for a history without tags is none."""
        (repository.root / ".git" / "index").write_bytes(b"garbage")
        assert hatch_vcs(repository.root).startswith("0.1.dev")
        expected = (
            "vcs-public: Git cannot read this repository (fatal: .git/index: index file smaller than expected). Mend what it "
            "says, or clone anew."
        )
        assert expected == refusal(repository.root, history=mode)

    def test_unreadable_repository(self, repository: Repository) -> None:
        """Nor is a repository that git does not see one that is not there."""
        (repository.root / ".git" / "HEAD").write_bytes(b"garbage")
        expected = (
            "vcs-public: Git cannot read this repository (fatal: not a git repository: '.git'). Mend what it says, or clone "
            "anew."
        )
        assert expected == refusal(repository.root)

    @pytest.mark.parametrize("tag", ["release-2abc", "nightly-x9"])
    @pytest.mark.filterwarnings("ignore:tag .* could not be parsed:UserWarning")
    @pytest.mark.filterwarnings("ignore:tag .* will be stripped of its suffix:UserWarning")
    @pytest.mark.filterwarnings("ignore:tag .* no version found:UserWarning")
    def test_tag_that_is_no_version(self, repository: Repository, tag: str) -> None:
        """The key that says which tags are versions is named; what setuptools-scm says differs by its version."""
        repository.commit(tag)
        with pytest.raises((AssertionError, ValueError)) as error:
            hatch_vcs(repository.root)
        said = " ".join(str(error.value).split()) or "AssertionError"
        said = said if len(said) <= 200 else f"{said[:199]}…"
        assert f"vcs-public: setuptools-scm found no version ({said}). {NO_VERSION}." == refusal(repository.root)

    @pytest.mark.filterwarnings("ignore:.*'(tag_regex|git_describe_command)' is deprecated:DeprecationWarning")
    def test_pattern_that_is_none(self, repository: Repository) -> None:
        """A broken expression ends no build in a traceback."""
        said = "missing ), unterminated subpattern at position 0"
        expected = f"vcs-public: setuptools-scm found no version ({said}). {NO_VERSION}."
        assert expected == refusal(repository.root, tag_pattern="(")

    def test_future(self, repository: Repository) -> None:
        """A clock that ran ahead is not believed."""
        repository.commit(when="2090-01-02T03:04:05Z")
        expected = (
            "vcs-public: the committer date of this commit, 2090-01-02 03:04 UTC, lies in the future: releases of later "
            "commits would come before it. Set the clock of the machine that commits (or of this one), and make the commit "
            "anew with `git commit --amend --no-edit`."
        )
        assert expected == refusal(repository.root, dev_number="commit-time")
        assert version(repository.root) == "1.1.dev3"

    def test_not_a_version(self, folder: Path) -> None:
        """Whatever gave it, the result is a version by PEP 440."""
        write_lines(folder / "PKG-INFO", ["Metadata-Version: 2.4", "Name: sample", "Version: latest"])
        expected = (
            "vcs-public: 'latest' is not a version (PEP 440). Look at the tag, variable, option or PKG-INFO that it was made "
            "from."
        )
        assert expected == refusal(folder)

    @pytest.mark.parametrize("content", [b"", b"Name: sample\n", b"\xff\xfe"])
    def test_empty_packaging(self, folder: Path, content: bytes) -> None:
        """An sdist without a version is broken, also where a fallback is there."""
        (folder / "PKG-INFO").write_bytes(content)
        expected = (
            "vcs-public: PKG-INFO, which says that this is an unpacked sdist, has no version in it. Unpack it again."
        )
        assert expected == refusal(folder, fallback_version="3.0")


@pytest.fixture
def merged_back(tmp_path: Path) -> Repository:
    """A branch with 1.1.0, into which a maintenance branch was merged that has a later 1.0.1."""
    repository = Repository(tmp_path / "merged")
    repository.commit("v1.0.0")
    repository.git("branch", "maintenance")
    repository.commit("v1.1.0")
    repository.commits(2)
    repository.git("checkout", "--quiet", "maintenance")
    repository.commit("v1.0.1")
    repository.git("checkout", "--quiet", "main")
    repository.merge("maintenance")
    return repository


def test_a_maintenance_release_is_merged_back(merged_back: Repository) -> None:
    """What comes after 1.1.0 stays above it, though the tag of the other branch is nearer."""
    assert "1.0.2.dev4" == hatch_vcs(merged_back.root, raw_options={"local_scheme": "no-local-version"})
    assert "1.1.1.dev4" == version(merged_back.root)


def test_a_command_of_ones_own_decides(merged_back: Repository) -> None:
    """Who says how the tag is found has said which one counts."""
    options = {"git_describe_command": ["git", "describe", "--dirty", "--tags", "--long", "--match", "*[0-9]*"]}
    assert "1.0.2.dev4" == version(merged_back.root, raw_options=options)


@pytest.mark.parametrize("tag", ["other-9", "v2.0/x", "nightly"])
def test_tags_of_others_do_not_count(merged_back: Repository, tag: str) -> None:
    """A higher tag of another project, or one that is no version, is none to count from."""
    merged_back.git("tag", tag, "v1.1.0")
    assert "1.1.1.dev4" == version(merged_back.root)


def test_a_higher_tag_that_is_elsewhere(repository: Repository) -> None:
    """A tag that HEAD does not descend from says nothing of it."""
    repository.git("checkout", "--quiet", "-b", "next")
    repository.commit("v2.0")
    repository.git("checkout", "--quiet", "main")
    assert "1.1.dev2" == version(repository.root)


def test_a_higher_tag_that_was_given_up(repository: Repository) -> None:
    """Whoever tags 1.1 after a mistaken 20.0 means it."""
    repository.commit("v20.0")
    repository.commit("v1.1")
    repository.commit()
    assert "1.2.dev1" == version(repository.root)
