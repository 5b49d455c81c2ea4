"""The pages agree with the code, and their examples work unchanged."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.requirements import Requirement
from readme_renderer import markdown

from hatch_trusted_publish.settings import options as settings
from hatch_trusted_publish.settings.repositories import REPO_KEYS
from hatch_trusted_publish.versions import source as version_source
from tests.support.pages import ROOT, Block, blocks_of, build_site
from tests.support.repositories import git, isolate

PAGES: Final = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
ALL_PAGES: Final = (*sorted(ROOT.glob("*.md")), *(page for page in PAGES if page.parent != ROOT))
EXAMPLES: Final = sorted(path for path in (ROOT / "docs" / "examples").rglob("*") if path.is_file())
SCHEMAS: Final = {
    "github": ("--builtin-schema", "vendor.github-workflows"),
    "gitlab": ("--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci"),
    "google": ("--builtin-schema", "vendor.cloudbuild"),
    "buildkite": ("--builtin-schema", "vendor.buildkite"),
    "circleci": ("--builtin-schema", "vendor.circle-ci"),
}
SIGNS: Final = {"github": "^on:", "circleci": "^version: 2", "google": "^ +entrypoint:", "buildkite": "^ +- label:"}
"""A line that occurs only in a complete file of this CI. GitLab has none."""


BLOCKS: Final = tuple(block for page in PAGES for block in blocks_of(page))
YAML: Final = tuple(block for block in BLOCKS if block.language == "yaml")
TOML: Final = tuple(block for block in BLOCKS if block.language == "toml")


def ci_of(text: str) -> str:
    """Return the CI that this complete file is for."""
    return next((ci for ci, sign in SIGNS.items() if re.search(sign, text, re.MULTILINE)), "gitlab")


def run(*command: str | Path) -> tuple[int, str]:
    """Return the exit code and the output of a checker."""
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def zizmor(persona: str, *paths: Path) -> tuple[int, str]:
    program = Path(sysconfig.get_path("scripts"), "zizmor")
    return run(
        program, "--offline", "--no-progress", "--color=never", "--no-config", "--quiet", f"--persona={persona}", *paths
    )


def write_blocks(directory: Path, blocks: Iterable[Block]) -> dict[str, list[Path]]:
    """Write each block to a file, and return the files by their CI."""
    files: dict[str, list[Path]] = {ci: [] for ci in SCHEMAS}
    for block in blocks:
        ci = ci_of(block.text)
        path = directory / f"{ci}-{block.page.stem}-{block.line}.yml"
        path.write_text(block.text, "utf-8")
        files[ci].append(path)
    return files


def test_examples_are_safe() -> None:
    """zizmor finds nothing in the GitHub workflows, even with its pedantic rules."""
    code, said = zizmor("pedantic", *(path for path in EXAMPLES if path.parent.name == "github"))
    assert (0, "No findings to report. Good job!\n") == (code, said)


def test_examples_are_shown() -> None:
    """A page shows each file unchanged, under a link to it, so it is one of the blocks that are checked."""
    shown = {block.text: block.page for block in YAML}
    for path in EXAMPLES:
        assert path.parent.name in SCHEMAS
        page = shown[path.read_text("utf-8")]
        name = path.relative_to(ROOT / "docs").as_posix()
        assert f"[{name}](../{name})" in page.read_text("utf-8")


def test_blocks_are_whole_files(tmp_path: Path) -> None:
    """Each YAML block on a page is a complete file that follows the same schemas."""
    files = write_blocks(tmp_path, YAML)
    assert all(files.values())
    for ci, paths in files.items():
        assert (0, "ok -- validation done\n") == run(sys.executable, "-m", "check_jsonschema", *SCHEMAS[ci], *paths)
    code, said = zizmor("regular", *files["github"])
    assert (0, "No findings to report") == (code, said[:21])  # the rest counts pedantic findings


def test_checks_can_fail(tmp_path: Path) -> None:
    """The checks report an unknown key and an action that is not pinned."""
    text = next(path for path in EXAMPLES if path.parent.name == "github").read_text("utf-8")
    path = tmp_path / "release.yml"
    path.write_text(text.replace("runs-on:", "run-on:"), "utf-8")
    code, said = run(sys.executable, "-m", "check_jsonschema", *SCHEMAS["github"], path)
    assert 1 == code
    assert "'run-on'" in said
    path.write_text(re.sub(r"@[0-9a-f]{40} # ", "@", text), "utf-8")
    code, said = zizmor("regular", path)
    assert 0 < code
    assert "unpinned-uses" in said


def test_installs_next_to_an_identity() -> None:
    """A recipe that installs the publisher in the publishing job pins hashes, or the line above names the risk."""
    blocks = [block.text for block in BLOCKS if block.language in {"yaml", "diff"}]
    lines = [line for text in blocks for line in text.splitlines()]
    installs = [at for at, line in enumerate(lines) if "[publish]" in line]
    assert installs
    assert [] == [lines[at] for at in installs if "# Not pinned: " not in lines[at - 1]]


def tables(*keys: str) -> list[Any]:
    """Return the tables of this name in all blocks, each with its place as its id."""
    found = []
    for block in TOML:
        table: Any = tomllib.loads(block.text)
        for key in keys:
            table = table.get(key, {})
        if table:
            found.append(pytest.param(table, id=str(block)))
    return found


@pytest.mark.parametrize("table", tables("tool", "hatch", "publish", "trusted"))
def test_publisher_tables(table: dict[str, object]) -> None:
    """Each table of settings on a page is valid."""
    assert settings.parse({}, settings.Flags(), table, {})


@pytest.mark.parametrize("table", tables("tool", "hatch", "version"))
def test_version_tables(table: dict[str, object], tmp_path: Path) -> None:
    """Each table of the version source on a page is valid."""
    assert "vcs-public" == table["source"]
    assert version_source.PublicVersionSource(str(tmp_path), table)._options()


def command_of(text: str) -> argparse.Namespace:
    """Parse a command as Hatch and the plugin do."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("-p")
    parser.add_argument("-r")
    parser.add_argument("-o", action="append", default=[])
    parser.add_argument("--ca-cert")
    parser.add_argument("artifacts", nargs="*")
    return parser.parse_args(shlex.split(text, comments=True)[2:])


def test_commands() -> None:
    """Each command on a page has options that exist, with valid values."""
    company = {"repos": {"company": "https://pypi.example.com/legacy/"}}
    pages = "\n".join(page.read_text("utf-8") for page in PAGES)
    for text in sorted(set(re.findall(r"hatch publish -p trusted\b[^`\n]*", pages))):
        if "[" not in text:
            command = command_of(text)
            options = dict(
                re.sub(r"\$(DIGEST|TRUSTED_PUBLISH_EXPECT)", "0" * 64, option).partition("=")[::2]
                for option in command.o
            )
            repo = "main" if command.r == "$INDEX" else command.r
            flags = settings.Flags(repo=repo, ca_cert=command.ca_cert)
            assert settings.parse({key: value or True for key, value in options.items()}, flags, company, {})


def rows(page: Path, heading: str) -> dict[str, list[str]]:
    """Return the rows of the first table under a heading, by the names in their first cells."""
    section = page.read_text("utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    table = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[1:]]
    return {name: cells[1:] for cells in table for name in re.findall("`([^`]+)`", cells[0])}


REFERENCE: Final = ROOT / "docs" / "reference" / "index.md"


def test_keys_of_the_publisher() -> None:
    """The table has every key of the publisher and no other."""
    assert settings.KEYS.keys() == {name.partition(".")[0] for name in rows(REFERENCE, "Publisher keys")}


def test_defaults_of_the_publisher() -> None:
    """The defaults in the table are those of a run without settings."""
    listed = {name: cells[1].strip("`") for name, cells in rows(REFERENCE, "Publisher keys").items() if cells[1]}
    unset = settings.parse({}, settings.Flags(), {}, {})
    names = {"dry-run": {"no": "false"}[unset.dry_run], "repo": unset.repository.name, "timeout": f"{unset.timeout:g}"}
    expected = {name: names.get(name) or str(getattr(unset, name.replace("-", "_"))) for name in listed}
    assert {name: value.lower() for name, value in expected.items()} == listed


def test_keys_of_an_index() -> None:
    """The table of `repos.NAME` has every key and no other."""
    assert REPO_KEYS.keys() == rows(REFERENCE, "Other indexes").keys()


def test_keys_of_the_version_source() -> None:
    """The table of the version source has every key with its values and its default."""
    listed = {
        name: (tuple(re.findall("`([^`]+)`", cells[0])), cells[1].strip("`"))
        for name, cells in rows(REFERENCE, "Version source").items()
    }
    assert {name: (choices, choices[0]) for name, choices in version_source._CHOICES.items()} == listed


def slugs(page: Path) -> set[str]:
    """Return the anchors that GitHub creates for the headings."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    found: list[str] = []
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        again = found.count(slug)
        found.append(f"{slug}-{again}" if again else slug)
    return set(found)


def links(page: Path) -> list[str]:
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"\]\(([^)\s]+)\)", text)


def leads_nowhere(page: Path, link: str) -> bool:
    if re.match(r"[a-z]+:", link):
        return not link.startswith("https://")
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    return not target.is_file() or bool(anchor and anchor not in slugs(target))


def test_links() -> None:
    """Each link of a page leads to an existing file and heading."""
    assert [] == [(page.name, link) for page in ALL_PAGES for link in links(page) if leads_nowhere(page, link)]


def test_readers() -> None:
    """Each page starts by saying whom it is for. The home page and the changelog are for everyone."""
    silent = [page for page in PAGES if not re.match(r"# .*\n\n\*For [^*]+\*", page.read_text("utf-8"))]
    assert ["README.md", "docs/changelog.md", "docs/index.md"] == [page.relative_to(ROOT).as_posix() for page in silent]


def test_pictures_are_shown() -> None:
    """Each picture is on a page, with its description."""
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    shown = set(re.findall(r"!\[[^]]{30,}\]\((?:\.\./)?pictures/([\w-]+)-light\.svg\)", text))
    assert {path.stem.removesuffix("-light") for path in (ROOT / "docs" / "pictures").glob("*-light.svg")} == shown


def test_typing() -> None:
    """What the tutorial asks you to type without an account takes ten minutes at 100 characters a minute."""
    page = ROOT / "docs" / "tutorial.md"
    end = page.read_text("utf-8").partition("\n## 6. ")[0].count("\n")
    blocks = [block for block in blocks_of(page) if block.line <= end and (block.name or block.language != "text")]
    assert 500 < sum(len(block.text) for block in blocks) < 10 * 100


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built without a warning."""
    directory = tmp_path_factory.mktemp("site")
    assert (0, "") == build_site(ROOT / "docs", directory)
    return directory / "html"


def test_site(built: Path) -> None:
    """The site has all pages, links to GitHub for other files, and each cell of a table knows its header."""
    pages = {page.relative_to(ROOT / "docs").with_suffix(".html") for page in (ROOT / "docs").rglob("*.md")}
    assert set() == {page for page in pages if not (built / page).is_file()}
    assert [] == [page for page in pages if re.search(r"<td(?! data-label=)", (built / page).read_text("utf-8"))]
    benchmarks = (built / "explanation" / "benchmarks.html").read_text("utf-8")
    assert f'href="{BROWSED}benchmarks/' in benchmarks


def test_weight(built: Path) -> None:
    """The home page loads nothing from another host, and less than 300 kB in total."""
    page = (built / "index.html").read_text("utf-8")
    loaded = set(re.findall(r'<(?:script|img|source)\b[^>]* (?:src|srcset)="([^"?]+)', page))
    loaded |= set(re.findall(r'<link rel="(?:stylesheet|icon|shortcut icon)"[^>]* href="([^"?]+)', page))
    assert [] == [name for name in loaded if "//" in name]
    loaded = {name for name in loaded if not name.endswith("-dark.svg")}  # hidden, and therefore not loaded
    assert len(page) + sum((built / name).stat().st_size for name in loaded) < 300_000
    styles = "".join(path.read_text("utf-8") for path in built.rglob("*.css"))
    assert [] == re.findall(r"(?:url\(|@import )[\"']?(?:https?:)?//[^)]*", styles)


def test_description_on_pypi(built: Path) -> None:
    """PyPI renders the README with absolute links only, and those to the site and the repository exist."""
    code, text = run(sys.executable, "-m", "hatchling", "metadata", "readme")
    assert 0 == code
    page = markdown.render(text)
    assert page
    lost = []
    for link in re.findall(r'(?:href|src|srcset)="([^"]+)"', page):
        base = next((base for base in (SITE, BROWSED, RAW) if link.startswith(base)), "")
        path, _, anchor = link.removeprefix(base).partition("#")
        target = (built if base == SITE else ROOT) / path
        known = target.is_file() and (not anchor or f'id="{anchor}"' in target.read_text("utf-8"))
        if (base and not known) or not link.startswith(("https://", "#user-content-")):  # the latter is PyPI's own
            lost.append(link)
    assert [] == lost
    assert SITE in page


SITE: Final = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"]["Documentation"]
BROWSED: Final = "https://github.com/hatch-trusted-publish/hatch-trusted-publish/blob/main/"
RAW: Final = "https://raw.githubusercontent.com/hatch-trusted-publish/hatch-trusted-publish/main/"


def test_site_of_each_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hosted site has the pages of each release that builds, and those of the newest final one as `stable`."""
    isolate(monkeypatch, tmp_path)
    repository, commands = tmp_path / "repository", tmp_path / "bin"
    (repository / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "site", repository / ".ci")
    commands.mkdir()
    tox = commands / "tox"
    tox.write_text(
        '#!/bin/sh\nmkdir "$7"; cp "$3/version" "$7/index.html"; test "$(cat "$3/version")" != 1.9.0\n', "utf-8"
    )
    tox.chmod(0o755)
    git(repository, "init", "--quiet")
    for version in ("1.2.0", "1.10.0", "1.9.0", "2.0.0rc1"):
        (repository / "version").write_text(f"{version}\n", "utf-8")
        git(repository, "add", ".")
        git(repository, "commit", "--quiet", "--message", version)
        git(repository, "tag", f"v{version}")
    environ = os.environ | {"PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"}
    out = tmp_path / "site"
    done = subprocess.run([repository / ".ci" / "site", out], env=environ, capture_output=True, text=True, check=True)
    pages = {path.parent.name: path.read_text("utf-8") for path in out.glob("*/index.html")}
    assert {"1.2.0": "1.2.0\n", "1.10.0": "1.10.0\n", "stable": "1.10.0\n"} == pages
    assert "url=stable/" in (out / "index.html").read_text("utf-8")
    assert "::warning::v1.9.0 has no pages.\n" == done.stdout


def test_site_can_fail(tmp_path: Path) -> None:
    """Each broken link is an error."""
    docs = tmp_path / "docs"
    shutil.copytree(ROOT / "docs" / "_static", docs / "_static")
    shutil.copy(ROOT / "docs" / "conf.py", docs)
    links = [f"[A link]({link})" for link in ("other.md", "index.md#nowhere", "#nowhere")]
    (docs / "index.md").write_text("# A page\n\n" + "\n\n".join(links) + "\n", "utf-8")
    code, said = build_site(docs, tmp_path)
    assert (1, len(links)) == (code, said.count("WARNING"))


def test_pages_that_the_code_names() -> None:
    """Each page that a docstring names exists."""
    modules = (ROOT / "src").rglob("*.py")
    named = {
        page
        for module in modules
        for page in re.findall(r"docs/(?:how-to|reference|explanation)/[\w-]+\.md", module.read_text("utf-8"))
    }
    assert named
    assert [] == [page for page in sorted(named) if not (ROOT / page).is_file()]


def test_rooms() -> None:
    """The design page lists every room, and each module that it names exists."""
    package = ROOT / "src" / "hatch_trusted_publish"
    page = ROOT / "docs" / "explanation" / "design.md"
    rooms = {path.name for path in package.iterdir()} - {"__init__.py", "__pycache__", "py.typed"}
    assert rooms == {name.rstrip("/") for name in rows(page, "The flow")}
    modules = set(re.findall(r"`([a-z_/]+(?:/|\.py|\.toml))`", page.read_text("utf-8"))) - {"pyproject.toml"}
    assert modules
    assert [] == [name for name in sorted(modules) if not (package / name).exists()]


def test_dependencies() -> None:
    """The design page gives a reason for each dependency, and for no other package."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    groups = {"base": project["dependencies"], **project["optional-dependencies"]}
    section = (ROOT / "docs" / "explanation" / "design.md").read_text("utf-8").partition("\n## Dependencies\n")[2]
    listed: dict[str, set[str]] = {}
    for line in section.splitlines():
        if head := re.match(r"\| (?:extra )?`?(\w+)`? \| why \|", line):
            names = listed.setdefault(head[1], set())
        elif line.startswith("| "):
            names |= {name.partition("[")[0] for name in re.findall("`([^`]+)`", line.split("|")[1])}
    wanted = {
        group: {Requirement(each).name for each in listed} - {"hatch-trusted-publish"}
        for group, listed in groups.items()
    }
    assert wanted == {group: names - {"publish"} for group, names in listed.items()}


def test_commands_to_try() -> None:
    """The README ends with a command for a rehearsal and one for the tests, and .ci/run runs the latter."""
    text = (ROOT / "README.md").read_text("utf-8")
    start = text[: text.index("\n## Try it\n")].count("\n") + 1
    commands = [block.text.rstrip("\n") for block in blocks_of(ROOT / "README.md") if block.line > start]
    main, tests = commands
    assert main.startswith("python3 -m venv .venv && ")
    assert main.endswith(" && .venv/bin/hatch publish -p trusted -r rehearsal")
    assert tests.startswith("python3 -m venv .venv && ")
    assert tests.endswith(" --group test && .venv/bin/pytest")
    assert not {"\n"} & {*main, *tests}
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    [picked] = [line for line in script.splitlines() if line.startswith("command=")]
    assert (0, f"{tests}\n") == run("bash", "-c", f'{picked}\necho "$command"')
