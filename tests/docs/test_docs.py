"""What the pages say is what the code does, and what they show can be used as it is."""

from __future__ import annotations

import argparse
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

from hatch_trusted_publish.settings import options as settings
from hatch_trusted_publish.versions import source as version_source
from tests.support.pages import ROOT, Block, blocks_of

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
"""What stands in the whole file of one CI alone; GitLab has no such line."""


BLOCKS: Final = tuple(block for page in PAGES for block in blocks_of(page))
YAML: Final = tuple(block for block in BLOCKS if block.language == "yaml")
TOML: Final = tuple(block for block in BLOCKS if block.language == "toml")


def ci_of(text: str) -> str:
    """Which CI's whole file this is."""
    return next((ci for ci, sign in SIGNS.items() if re.search(sign, text, re.MULTILINE)), "gitlab")


def run(*command: str | Path) -> tuple[int, str]:
    """How a checker ended, and all that it said."""
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def zizmor(persona: str, *paths: Path) -> tuple[int, str]:
    program = Path(sysconfig.get_path("scripts"), "zizmor")
    return run(
        program, "--offline", "--no-progress", "--color=never", "--no-config", "--quiet", f"--persona={persona}", *paths
    )


def written(folder: Path, blocks: Iterable[Block]) -> dict[str, list[Path]]:
    """The blocks as files, by their CI."""
    files: dict[str, list[Path]] = {ci: [] for ci in SCHEMAS}
    for block in blocks:
        ci = ci_of(block.text)
        path = folder / f"{ci}-{block.page.stem}-{block.line}.yml"
        path.write_text(block.text, "utf-8")
        files[ci].append(path)
    return files


@pytest.mark.parametrize("ci", SCHEMAS)
def test_examples_are_valid(ci: str) -> None:
    """Each whole file keeps to its CI's own schema."""
    files = [path for path in EXAMPLES if path.parent.name == ci]
    assert files
    code, said = run(sys.executable, "-m", "check_jsonschema", *SCHEMAS[ci], *files)
    assert (0, "ok -- validation done\n") == (code, said)


def test_examples_are_safe() -> None:
    """zizmor finds nothing in the workflows of GitHub, not even something to be pedantic about."""
    code, said = zizmor("pedantic", *(path for path in EXAMPLES if path.parent.name == "github"))
    assert (0, "No findings to report. Good job!\n") == (code, said)


def test_examples_are_shown() -> None:
    """Each file stands on a page as it is, under a link to it."""
    shown = {block.text: block.page for block in YAML}
    for path in EXAMPLES:
        assert path.parent.name in SCHEMAS
        page = shown[path.read_text("utf-8")]
        name = path.relative_to(ROOT / "docs").as_posix()
        assert f"[{name}](../{name})" in page.read_text("utf-8")


def test_blocks_are_whole_files(tmp_path: Path) -> None:
    """What the pages show of YAML can be committed as it is, and keeps to the same schemas."""
    files = written(tmp_path, YAML)
    assert all(files.values())
    for ci, paths in files.items():
        assert (0, "ok -- validation done\n") == run(sys.executable, "-m", "check_jsonschema", *SCHEMAS[ci], *paths)
    code, said = zizmor("regular", *files["github"])
    assert (0, "No findings to report") == (code, said[:21])  # and how many only a pedant would report


def test_checks_can_fail(tmp_path: Path) -> None:
    """A key that no CI knows, and an action that is not pinned, are found."""
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


def test_actions_are_pinned() -> None:
    """Each action is named by the hash of one commit, with its version beside it, and by the same one everywhere."""
    texts = [*(block.text for block in YAML), *(path.read_text("utf-8") for path in EXAMPLES)]
    used = [line.partition("uses: ")[2] for text in texts for line in text.splitlines() if "uses: " in line]
    pins = {found["action"]: found[0] for each in used if (found := re.fullmatch(PIN, each))}
    assert {found.partition("@")[0]: found for found in used} == pins
    assert len(pins) == len(set(used))


PIN: Final = r"(?P<action>[\w/-]+)@[0-9a-f]{40} # v\d+\.\d+\.\d+"


def tables(*keys: str) -> list[Any]:
    """The tables of this name in all blocks, each with its place as its id."""
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
    """A table of settings that is shown can be used."""
    assert settings.parse({}, settings.Flags(), table, {})


@pytest.mark.parametrize("table", tables("tool", "hatch", "version"))
def test_version_tables(table: dict[str, object], tmp_path: Path) -> None:
    """A table of the version source that is shown can be used."""
    assert "vcs-public" == table["source"]
    assert version_source.PublicVersionSource(str(tmp_path), table)._options()


def command_of(text: str) -> argparse.Namespace:
    """What of a command Hatch and the plugin read."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("-p")
    parser.add_argument("-r")
    parser.add_argument("-o", action="append", default=[])
    parser.add_argument("--ca-cert")
    parser.add_argument("artifacts", nargs="*")
    return parser.parse_args(shlex.split(text, comments=True)[2:])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands(page: Path) -> None:
    """Each command that is shown has options that there are, with values that they take."""
    company = {"repos": {"company": "https://pypi.example.com/legacy/"}}
    for text in re.findall(r"hatch publish -p trusted\b[^`\n]*", page.read_text("utf-8")):
        if "[" not in text:
            command = command_of(text)
            options = dict(option.partition("=")[::2] for option in command.o)
            repo = "main" if command.r == "$INDEX" else command.r
            flags = settings.Flags(repo=repo, ca_cert=command.ca_cert)
            assert settings.parse({key: value or True for key, value in options.items()}, flags, company, {})


def rows(page: Path, heading: str) -> dict[str, list[str]]:
    """The first table under a heading: its rows by the names in their first cells."""
    section = page.read_text("utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    table = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[1:]]
    return {name: cells[1:] for cells in table for name in re.findall("`([^`]+)`", cells[0])}


@pytest.mark.parametrize(
    ("page", "heading"), [("README.md", "Settings"), ("docs/reference/index.md", "Publisher keys")]
)
def test_keys_of_the_publisher(page: str, heading: str) -> None:
    """The tables have every key that there is, and no other."""
    assert settings._KEYS.keys() == {name.partition(".")[0] for name in rows(ROOT / page, heading)}


@pytest.mark.parametrize(
    ("page", "heading", "column"), [("README.md", "Settings", 1), ("docs/reference/index.md", "Publisher keys", 1)]
)
def test_defaults_of_the_publisher(page: str, heading: str, column: int) -> None:
    """The defaults that the tables tell are those of a run for which nothing is set."""
    told = {name: cells[column].strip("`") for name, cells in rows(ROOT / page, heading).items() if cells[column]}
    unset = settings.parse({}, settings.Flags(), {}, {})
    names = {"dry-run": {"no": "false"}[unset.dry_run], "repo": unset.repository.name, "timeout": f"{unset.timeout:g}"}
    expected = {name: names.get(name) or str(getattr(unset, name.replace("-", "_"))) for name in told}
    assert {name: value.lower() for name, value in expected.items()} == told


def test_keys_of_an_index() -> None:
    """The table of `repos.NAME` is complete as well."""
    assert settings._REPO_KEYS.keys() == rows(ROOT / "docs" / "reference" / "index.md", "Other indexes").keys()


def test_keys_of_the_version_source() -> None:
    """So is the one of the version source, with the values and the defaults."""
    told = {
        name: (tuple(re.findall("`([^`]+)`", cells[0])), cells[1].strip("`"))
        for name, cells in rows(ROOT / "docs" / "reference" / "index.md", "Version source").items()
    }
    assert {name: (choices, choices[0]) for name, choices in version_source._CHOICES.items()} == told


def slugs(page: Path) -> set[str]:
    """The anchors that GitHub makes of the headings."""
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


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links(page: Path) -> None:
    """What a page links to is there: the file, and the heading in it."""
    lost = []
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            assert link.startswith("https://")
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.is_file() or (anchor and anchor not in slugs(target)):
            lost.append(link)
    assert [] == lost


def site(docs: Path, out: Path) -> tuple[int, str]:
    """How the build of the site ended, with the options of tox.ini."""
    [options] = re.findall(r"sphinx-build (.*) -d ", (ROOT / "tox.ini").read_text("utf-8"))
    return run(sys.executable, "-m", "sphinx", *options.split(), "-q", "-d", out / "doctrees", docs, out / "html")


def test_site(tmp_path: Path) -> None:
    """The site is built of all pages, without a warning; what is no page of it is on GitHub."""
    assert (0, "") == site(ROOT / "docs", tmp_path)
    pages = {page.relative_to(ROOT / "docs").with_suffix(".html") for page in (ROOT / "docs").rglob("*.md")}
    assert set() == {page for page in pages if not (tmp_path / "html" / page).is_file()}
    benchmarks = (tmp_path / "html" / "explanation" / "benchmarks.html").read_text("utf-8")
    assert 'href="https://github.com/hatch-trusted-publish/hatch-trusted-publish/blob/main/benchmarks/' in benchmarks


@pytest.mark.parametrize("link", ["other.md", "index.md#nowhere", "#nowhere"])
def test_site_can_fail(tmp_path: Path, link: str) -> None:
    """A link that leads nowhere is an error."""
    docs = tmp_path / "docs"
    docs.mkdir()
    shutil.copy(ROOT / "docs" / "conf.py", docs)
    (docs / "index.md").write_text(f"# A page\n\n[A link]({link})\n", "utf-8")
    code, said = site(docs, tmp_path)
    assert 1 == code
    assert "WARNING" in said


def test_pages_that_the_code_names() -> None:
    """A docstring that sends somebody to a page sends them to one that is there."""
    modules = (ROOT / "src").rglob("*.py")
    named = {page for module in modules for page in re.findall(r"docs/[\w/-]+\.md", module.read_text("utf-8"))}
    assert named
    assert [] == [page for page in sorted(named) if not (ROOT / page).is_file()]


def test_commands_to_try() -> None:
    """The README ends with one command for the main job and one for the tests; the CI runs the latter."""
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
