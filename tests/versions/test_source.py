"""``source = "vcs-public"``: its keys, each source of a version, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hatch_vcs.version_source import VCSVersionSource

from hatch_trusted_publish.errors import Message, VersionError
from hatch_trusted_publish.versions.source import OVERRIDE, PublicVersionSource
from tests.support.repositories import Repository, booby_trap, git, give_away, write_lines

PRETEND = "SETUPTOOLS_SCM_PRETEND_VERSION"


pytestmark = pytest.mark.usefixtures("isolated")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Return a repository with a tag, and two commits since."""
    repository = Repository(tmp_path / "repository")
    repository.commit("v1.0")
    repository.commits(2)
    return repository


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project that is not in a checkout."""
    directory = tmp_path / "sample-4.0+x"
    directory.mkdir()
    (directory / "pyproject.toml").touch()
    monkeypatch.chdir(directory)  # as hatchling does: setuptools-scm before 10 looks for archives here alone
    return directory


def version(root: Path, **config: Any) -> str:
    """Return the version by *config*, whose keys are written with underscores."""
    return PublicVersionSource(str(root), dashed(config)).get_version_data()["version"]


def hatch_vcs(root: Path, **config: Any) -> str:
    """Return hatch-vcs's version for the same configuration."""
    theirs: str = VCSVersionSource(str(root), dashed(config)).get_version_data()["version"]
    return theirs


def dashed(config: dict[str, Any]) -> dict[str, Any]:
    return {key.replace("_", "-"): value for key, value in config.items()}


def refusal(root: Path, **config: Any) -> Message:
    """Return why there is no version."""
    with pytest.raises(VersionError) as refused:
        PublicVersionSource(str(root), dashed(config)).version()
    with pytest.raises(SystemExit) as ended:
        version(root, **config)
    assert f"vcs-public: {refused.value}" == str(ended.value)
    return (*refused.value.problems, refused.value.message)[0]


def warnings_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the codes of the warnings."""
    lines = capsys.readouterr().err.splitlines()
    assert [] == [line for line in lines if not line.startswith("vcs-public: warning: ")]
    return [line.rpartition("[")[2].removesuffix("]") for line in lines]


class TestLocalVersion:
    """With ``drop`` the version has no local segment, whatever its source."""

    def test_drop(self, repository: Repository) -> None:
        """Without any key the version is public."""
        assert version(repository.root) == "1.1.dev2"

    def test_keep(self, repository: Repository) -> None:
        """With ``keep`` the version is hatch-vcs's."""
        theirs = hatch_vcs(repository.root)
        assert theirs.startswith("1.1.dev2+g")
        assert theirs == version(repository.root, local_version="keep")

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
        """The variable takes precedence over the key, unless it is empty."""
        monkeypatch.setenv(OVERRIDE, variable)
        expected = hatch_vcs(repository.root) if is_kept else "1.1.dev2"
        assert expected == version(repository.root, local_version=key)

    def test_wrong_variable(self, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        """An unknown value of the variable is an error, not the default."""
        monkeypatch.setenv(OVERRIDE, "Keep")
        expected = Message("bad-local-version-variable", variable=OVERRIDE, found="Keep")
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
        """If the segment is kept, its scheme can be chosen; the variable can still drop it."""
        monkeypatch.setenv(OVERRIDE, variable)
        options = {"local_scheme": scheme}
        theirs = "1.1.dev2" if variable == "drop" else hatch_vcs(repository.root, raw_options=options)
        assert theirs == version(repository.root, local_version="keep", raw_options=options)

    @pytest.mark.parametrize(
        ("config", "variable"),
        [
            ({"local_scheme": "node-and-date"}, ""),
            ({"local_scheme": "node-and-date"}, "keep"),
            ({"local_scheme": ["dirty-tag"]}, ""),
            ({"local_scheme": "no-local-version"}, "keep"),
            ({"local-version": "keep", "local_scheme": "no-local-version"}, ""),
            ({"local-version": "keep", "local_scheme": "no-local-version"}, "drop"),
        ],
        ids=["drop", "drop-kept-by-variable", "list", "variable", "keep", "keep-dropped-by-variable"],
    )
    def test_contradiction(
        self,
        repository: Repository,
        monkeypatch: pytest.MonkeyPatch,
        config: dict[str, Any],
        variable: str,
    ) -> None:
        """Two options that contradict each other are refused; a variable does not settle that."""
        monkeypatch.setenv(OVERRIDE, variable)
        scheme = config.pop("local_scheme")
        expected = Message("contradicting-local-scheme", scheme=scheme, variable=OVERRIDE)
        assert expected == refusal(repository.root, raw_options={"local_scheme": scheme}, **config)

    @pytest.mark.parametrize(("key", "expected"), [("drop", "2.0"), ("keep", "2.0+dirty")])
    def test_pretended(self, repository: Repository, monkeypatch: pytest.MonkeyPatch, key: str, expected: str) -> None:
        """setuptools-scm's variable bypasses its own schemes, but not this setting."""
        monkeypatch.setenv(PRETEND, "2.0+dirty")
        assert hatch_vcs(repository.root, raw_options={"local_scheme": "no-local-version"}) == "2.0+dirty"
        assert expected == version(repository.root, local_version=key)

    @pytest.mark.parametrize(("key", "expected"), [("drop", "3.0"), ("keep", "3.0+loc")])
    @pytest.mark.parametrize(
        "config",
        [{"fallback-version": "3.0+loc"}, {"raw-options": {"fallback_version": "3.0+loc"}}],
        ids=["key", "raw"],
    )
    def test_fallback(self, directory: Path, config: dict[str, Any], key: str, expected: str) -> None:
        """A fallback is used if there is no other version."""
        assert hatch_vcs(directory, **config) == "3.0+loc"
        assert expected == version(directory, local_version=key, **config)

    @pytest.mark.parametrize(("key", "expected"), [("drop", "4.0"), ("keep", "4.0+x")])
    @pytest.mark.filterwarnings("ignore:tag '4.0.x' will be stripped of its suffix:UserWarning")
    def test_directory_name(self, directory: Path, key: str, expected: str) -> None:
        """A version from the directory's name is public, too."""
        options = {"parentdir_prefix_version": "sample-"}
        theirs = hatch_vcs(directory, raw_options=options)  # setuptools-scm 8 has no local segments from names
        assert theirs.startswith("4.0")
        assert (theirs if key == "keep" else expected) == version(directory, local_version=key, raw_options=options)

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
    def test_archive(self, directory: Path, line: str, expected: str, mode: str) -> None:
        """An archive has the version of its commit, whatever the `history` setting."""
        write_lines(directory / ".git_archival.txt", ["node: 0123456789abcdef0123456789abcdef01234567", line])
        assert expected == version(directory, history=mode)
        assert hatch_vcs(directory) == version(directory, history=mode, local_version="keep")

    @pytest.mark.parametrize(("key", "expected"), [("drop", "1.2"), ("keep", "1.2+abc")])
    def test_packaged(self, directory: Path, key: str, expected: str) -> None:
        """An unpacked sdist has its own version."""
        write_lines(directory / "PKG-INFO", ["Metadata-Version: 2.4", "Name: sample", "Version: 1.2+abc"])
        assert expected == version(directory, local_version=key)


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
        """Two branches with equally many commits collide by distance, and not by time."""
        repository.git("checkout", "--quiet", "-b", "other", "HEAD~1")
        repository.commit()
        assert version(repository.root) == "1.1.dev2"
        assert version(repository.root, dev_number="commit-time") == "1.1.dev20240101000300"

    @pytest.mark.parametrize("tag", ["v2.0", "v2.0rc1", "v2.0.dev3"])
    def test_tagged(self, repository: Repository, tag: str) -> None:
        """A tagged commit has the version of its tag, even if that is a development release."""
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
        """The number replaces that of any scheme that adds one."""
        options = {"version_scheme": scheme}
        assert expected == version(repository.root, dev_number="commit-time", raw_options=options)

    def test_pretended(self, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        """A version from the environment is used unchanged."""
        monkeypatch.setenv(PRETEND, "2.0.dev7")
        assert version(repository.root, dev_number="commit-time") == "2.0.dev7"

    def test_epoch(self, repository: Repository) -> None:
        """Everything before ``.devN`` stays."""
        repository.commit("v1!2.0rc1")
        repository.commit()
        assert version(repository.root, dev_number="commit-time") == "1!2.0rc2.dev20240101000400"

    def test_archive(self, directory: Path) -> None:
        """An archive has the time of its commit."""
        lines = ["node: 0123456789", "node-date: 2024-01-01T02:02:00+02:00", "describe-name: v1.0-2-g0123456789"]
        write_lines(directory / ".git_archival.txt", lines)
        assert f"1.1.dev{self.TIME}" == version(directory, dev_number="commit-time")

    def test_no_date(self, directory: Path) -> None:
        """Without a date there is no number."""
        write_lines(directory / ".git_archival.txt", ["node: 0123456789", "describe-name: v1.0-2-g0123456789"])
        assert Message("no-commit-date") == refusal(directory, dev_number="commit-time")

    @pytest.mark.parametrize(
        ("seconds", "expected"), [(1, []), (0, ["commit-time-not-later"]), (-60, ["commit-time-not-later"])]
    )
    def test_clock(
        self, repository: Repository, capsys: pytest.CaptureFixture[str], seconds: int, expected: list[str]
    ) -> None:
        """A commit of the same second as its parent, or of an earlier one, has no later version: there is a warning."""
        before = int(repository.git("show", "--no-patch", "--format=%ct"))
        repository.commit(when=f"{before + seconds} +0000")
        version(repository.root, dev_number="commit-time")
        assert expected == warnings_of(capsys)
        version(repository.root)
        assert [] == warnings_of(capsys)


class TestHistory:
    """Shallow clones, and clones without tags."""

    @pytest.mark.parametrize("mode", [None, "auto", "fetch"])
    def test_fetched_in_ci(
        self, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str | None
    ) -> None:
        """In a CI the version is that of a full clone, without a warning or a setting."""
        monkeypatch.setenv("CI", "true")
        clone = repository.clone(tmp_path / "clone", "--depth=1")
        assert version(clone, **({} if mode is None else {"history": mode})) == "1.1.dev2"

    @pytest.mark.parametrize("mode", ["auto", "any"])
    @pytest.mark.parametrize("value", [None, "", "false"])
    @pytest.mark.parametrize(
        ("options", "expected", "code"),
        [("--depth=1", "0.1.dev1", "shallow-clone"), ("--no-tags", "0.1.dev3", "no-tags")],
    )
    def test_taken_with_a_warning(
        self,
        repository: Repository,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        mode: str,
        value: str | None,
        options: str,
        expected: str,
        code: str,
    ) -> None:
        """On your own machine nothing is fetched unless you ask for it; a warning says that the version is a guess."""
        if value is not None:
            monkeypatch.setenv("CI", value)
        clone = repository.clone(tmp_path / "clone", options)
        assert expected == version(clone, history=mode)
        assert [code] == warnings_of(capsys)

    def test_fetched_elsewhere(self, repository: Repository, tmp_path: Path) -> None:
        """You can ask for the whole history."""
        clone = repository.clone(tmp_path / "clone", "--depth=1")
        assert version(clone, history="fetch") == "1.1.dev2"

    def test_required(self, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """``require`` refuses, even in a CI, and shows the remedy for that CI."""
        monkeypatch.setenv("CI", "true")
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
        expected = Message(
            "shallow-clone", version="", why=Message("history-required"), remedy=Message("full-history-on-github")
        )
        assert expected == refusal(repository.clone(tmp_path / "clone", "--depth=1"), history="require")

    def test_tags_are_fetched(self, repository: Repository, tmp_path: Path) -> None:
        """A clone without tags fetches them."""
        assert version(repository.clone(tmp_path / "clone", "--no-tags"), history="fetch") == "1.1.dev2"

    @pytest.mark.parametrize("mode", ["fetch", "require", "any"])
    def test_no_tag_yet(self, tmp_path: Path, mode: str) -> None:
        """A project without a first release still has a version."""
        repository = Repository(tmp_path / "origin")
        repository.commits(5)
        assert version(repository.clone(tmp_path / "clone"), history=mode) == "0.1.dev5"

    @pytest.mark.parametrize("mode", ["fetch", "require"])
    def test_deep_enough(self, repository: Repository, tmp_path: Path, mode: str) -> None:
        """A shallow clone that holds the tag is not refused, and nothing is fetched."""
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

    def test_refused_in_ci(self, changed: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        """In a CI an earlier step of the build has changed the files, which is an error."""
        monkeypatch.setenv("CI", "true")
        expected = Message("changed-tag", tag="1.2", files=["sample.py"], version="1.3.dev0")
        assert expected == refusal(changed.root)

    @pytest.mark.parametrize("value", ["", "0"])
    def test_warned_elsewhere(
        self, changed: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], value: str
    ) -> None:
        """On your own machine it is a warning."""
        monkeypatch.setenv("CI", value)
        assert version(changed.root) == "1.3.dev0"
        assert ["changed-tag"] == warnings_of(capsys)

    def test_commit_time(self, changed: Repository, capsys: pytest.CaptureFixture[str]) -> None:
        """The version in the warning is the one that is used."""
        assert "1.3.dev20240101000300" == version(changed.root, dev_number="commit-time")
        assert "1.3.dev20240101000300" in capsys.readouterr().err

    @pytest.mark.parametrize("value", ["", "true"])
    def test_kept(
        self, changed: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], value: str
    ) -> None:
        """The local segment already shows that the version is not the release's."""
        monkeypatch.setenv("CI", value)
        assert version(changed.root, local_version="keep").startswith("1.3.dev0+")
        assert capsys.readouterr().err == ""

    def test_untracked(
        self, repository: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Untracked files do not change the version."""
        repository.commit("v1.2")
        (repository.root / "untracked").touch()
        monkeypatch.setenv("CI", "true")
        assert version(repository.root) == "1.2"
        assert capsys.readouterr().err == ""

    def test_changed_later(
        self, repository: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Between releases a changed file does not change the version."""
        (repository.root / "sample.py").write_text("changed\n", "utf-8")
        monkeypatch.setenv("CI", "true")
        assert version(repository.root) == "1.1.dev2"
        assert capsys.readouterr().err == ""


class TestKeys:
    """The keys of ``[tool.hatch.version]``."""

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
        """Files that hatch-vcs does not write are not written."""
        version(repository.root, raw_options={"write_to": "_version.py"})
        assert not (repository.root / "_version.py").exists()

    def test_unknown(self, repository: Repository) -> None:
        """No key is ignored."""
        message = refusal(repository.root, local__version="keep", devnumber=1)
        assert ("unknown-version-keys", ["devnumber", "local--version"]) == (message.code, message.facts["keys"])

    def test_all_at_once(self, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        """All mistakes in the table are reported together, with the one in the variable."""
        monkeypatch.setenv(OVERRIDE, "Keep")
        table = {
            "histroy": "any",
            "history": "all",
            "dev-number": 1,
            "raw-options": {"local_scheme": "dirty-tag"},
        }
        with pytest.raises(VersionError) as refused:
            PublicVersionSource(str(repository.root), table).version()
        codes = ("unknown-version-keys", "bad-version-key", "bad-version-key", "bad-local-version-variable")
        assert (*codes, "contradicting-local-scheme") == refused.value.codes

    def test_of_another_scheme(self, repository: Repository) -> None:
        """Another plugin's version scheme has its own keys."""
        assert version(repository.root, scheme="calver", zone="UTC") == "1.1.dev2"

    @pytest.mark.parametrize(
        ("key", "value", "choices"),
        [
            ("local-version", "strip", ("drop", "keep")),
            ("local-version", False, ("drop", "keep")),
            ("dev-number", "time", ("distance", "commit-time")),
            ("dev-number", ["distance"], ("distance", "commit-time")),
            ("history", "full", ("auto", "fetch", "require", "any")),
            ("history", {}, ("auto", "fetch", "require", "any")),
            ("history", 0, ("auto", "fetch", "require", "any")),
        ],
    )
    def test_wrong_value(self, repository: Repository, key: str, value: object, choices: tuple[str, ...]) -> None:
        """An invalid value is refused with the list of valid ones."""
        expected = Message("bad-version-key", key=key, choices=choices, found=repr(value))
        assert expected == refusal(repository.root, **{key: value})

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"raw_options": {"colour": 1}}, "get_version() got an unexpected keyword argument 'colour'"),
            ({"raw_options": {"root": 5}}, "expected str, bytes or os.PathLike object, not int"),
            ({"raw_options": "no-local-version"}, "option `raw-options` must be a table"),
            ({"tag_pattern": 5}, "option `tag-pattern` must be a string"),
            ({"fallback_version": 1.5}, "option `fallback-version` must be a string"),
        ],
    )
    def test_wrong_type(self, repository: Repository, options: dict[str, object], said: str) -> None:
        """Values that hatch-vcs and setuptools-scm reject are shown in their words."""
        message = refusal(repository.root, **options)
        assert ("no-version", said) == (message.code, str(message.facts["said"]))


class TestRefusals:
    """A build without a reliable version is refused."""

    def test_no_repository(self, directory: Path) -> None:
        """A directory of files has no version."""
        assert Message("no-repository") == refusal(directory)

    def test_root_is_above(self, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        """setuptools-scm looks for the repository in one directory only; its words are shown."""
        package = repository.root / "package"
        package.mkdir()
        monkeypatch.chdir(package)  # setuptools-scm 8 also looks there
        with pytest.raises(LookupError) as error:
            hatch_vcs(package)
        assert Message("no-version", said=str(error.value)) == refusal(package)

    def test_no_git(self, repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Git is required, unless a variable gives the version."""
        monkeypatch.setenv("PATH", str(tmp_path))
        assert Message("no-git") == refusal(repository.root, fallback_version="3.0")
        monkeypatch.setenv(PRETEND, "2.0")
        assert "2.0" == version(repository.root)

    @pytest.mark.parametrize("mode", ["any", "fetch"])
    @pytest.mark.parametrize("part", ["index", "HEAD"])
    def test_broken(self, repository: Repository, part: str, mode: str) -> None:
        """A repository that setuptools-scm mistakes for one without tags, or for no repository, is refused."""
        (repository.root / ".git" / part).write_bytes(b"garbage")
        assert "broken-repository" == refusal(repository.root, history=mode).code

    @pytest.mark.parametrize("tag", ["release-2abc", "nightly-x9"])
    @pytest.mark.filterwarnings("ignore:tag .* could not be parsed:UserWarning")
    @pytest.mark.filterwarnings("ignore:tag .* will be stripped of its suffix:UserWarning")
    @pytest.mark.filterwarnings("ignore:tag .* no version found:UserWarning")
    def test_tag_that_is_not_a_version(self, repository: Repository, tag: str) -> None:
        """setuptools-scm's words about it depend on its version."""
        repository.commit(tag)
        with pytest.raises((AssertionError, ValueError)) as error:
            hatch_vcs(repository.root)
        assert Message("no-version", said=str(error.value) or "AssertionError") == refusal(repository.root)

    @pytest.mark.filterwarnings("ignore:tag .* (could not be parsed|no version found):UserWarning")
    def test_archive_of_a_tag_that_is_not_a_version(self, directory: Path) -> None:
        """The same in an archive, which has no repository."""
        write_lines(directory / ".git_archival.txt", ["node: 0123456789", "describe-name: nightly-x9"])
        assert "no-version" == refusal(directory).code

    @pytest.mark.filterwarnings("ignore:.*'(tag_regex|git_describe_command)' is deprecated:DeprecationWarning")
    def test_broken_pattern(self, repository: Repository) -> None:
        """An invalid regular expression is an error without a traceback."""
        said = "missing ), unterminated subpattern at position 0"
        assert Message("no-version", said=said) == refusal(repository.root, tag_pattern="(")

    def test_future(self, repository: Repository) -> None:
        """A commit in the future is refused."""
        repository.commit(when="2090-01-02T03:04:05Z")
        expected = Message("commit-from-the-future", time="2090-01-02 03:04")
        assert expected == refusal(repository.root, dev_number="commit-time")
        assert version(repository.root) == "1.1.dev3"

    @pytest.mark.parametrize("version", ["latest", "1.0.x"])
    def test_not_a_version(self, directory: Path, version: str) -> None:
        """Whatever its source, the version is valid by PEP 440."""
        assert "no-version" == refusal(directory, fallback_version=version).code

    def test_set_version(self, repository: Repository) -> None:
        """``hatch version minor`` fails with the way to change the version."""
        source = PublicVersionSource(str(repository.root), {})
        with pytest.raises(SystemExit) as ended:
            source.set_version("1.2", source.get_version_data())
        assert str(ended.value).endswith("[version-comes-from-tags]")


class TestOwner:
    """A repository of another user is not read: its configuration could run any command."""

    @pytest.fixture
    def trace(self, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        trace = booby_trap(repository.root, tmp_path / "traps")
        give_away(monkeypatch, repository.root)
        (repository.root / "package").mkdir()
        return trace

    @pytest.mark.parametrize("value", ["", "true"])
    @pytest.mark.parametrize(
        ("place", "options"),
        [(".", {}), ("package", {"root": ".."}), ("package", {"search_parent_directories": True}), ("package", {})],
        ids=["here", "named", "searched", "above"],
    )
    def test_refused(
        self,
        repository: Repository,
        trace: Path,
        monkeypatch: pytest.MonkeyPatch,
        place: str,
        options: dict[str, object],
        value: str,
    ) -> None:
        """Git's refusal ends the build before setuptools-scm overrides it."""
        monkeypatch.setenv("CI", value)
        monkeypatch.chdir(repository.root / place)
        message = refusal(repository.root / place, raw_options=options)
        assert ("dubious-ownership", str(repository.root)) == (message.code, message.facts["directory"])
        assert not trace.exists()

    @pytest.mark.parametrize("place", [".", "package"])
    def test_not_asked(self, repository: Repository, trace: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
        """If a variable gives the version, or setuptools-scm looks for no repository, nothing is refused."""
        monkeypatch.chdir(repository.root / place)
        Path("pyproject.toml").touch()  # setuptools-scm 8 knows a project by it
        if place == ".":
            monkeypatch.setenv(PRETEND, "3.0")
        assert "3.0" == version(repository.root / place, fallback_version="3.0")
        assert not trace.exists()


class TestTags:
    """The tag that counts, where hatch-vcs counts from another one; the rest is in test_history.py."""

    def test_merged_back(self, tmp_path: Path) -> None:
        """Versions after 1.1.0 stay above it, although a maintenance release that was merged back is nearer."""
        repository = Repository(tmp_path / "merged")
        repository.commit("v1.0.0")
        repository.git("branch", "maintenance")
        repository.commit("v1.1.0")
        repository.commits(2)
        repository.git("checkout", "--quiet", "maintenance")
        repository.commit("v1.0.1")
        repository.git("checkout", "--quiet", "main")
        repository.merge("maintenance")
        assert "1.0.2.dev4" == hatch_vcs(repository.root, raw_options={"local_scheme": "no-local-version"})
        assert "1.1.1.dev4" == version(repository.root)
        # Your own command takes precedence.
        command = ["git", "describe", "--dirty", "--tags", "--long", "--match", "*[0-9]*"]
        assert "1.0.2.dev4" == version(repository.root, raw_options={"git_describe_command": command})

    def test_two_tags_on_a_commit(self, repository: Repository) -> None:
        """The final release counts, although hatch-vcs prefers the annotated tag of the candidate."""
        repository.commit("v2.0")
        repository.git("tag", "--annotate", "--message=x", "v2.0rc1")
        assert ("2.0rc1", "2.0") == (hatch_vcs(repository.root), version(repository.root))
        repository.commit()
        assert "2.1.dev1" == version(repository.root)
