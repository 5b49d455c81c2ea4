"""The reference and the code have the same flags, values, publishers, variables and exit codes."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest
from click import UsageError
from hatch.cli.application import Application
from hatch.cli.publish import publish

from hatch_trusted_publish.errors import SettingsError
from hatch_trusted_publish.identity.ambient import gitlab_variable
from hatch_trusted_publish.settings import options as settings
from hatch_trusted_publish.settings import values
from hatch_trusted_publish.settings.repositories import REPO_KEYS

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = sorted((ROOT / "docs").rglob("*.md"))
# The rehearsal sets the variables of a CI; other rooms read them.
MODULES: Final = [path for path in sorted((ROOT / "src").rglob("*.py")) if path.parent.name != "rehearsal"]
FLAGS: Final = [option for option in publish.params if option.param_type_name == "option"]
OF_OTHERS: Final = {
    "HTTPS_PROXY": "httpx",
    "HTTP_PROXY": "httpx",
    "ALL_PROXY": "httpx",
    "NO_PROXY": "httpx",
    "SSL_CERT_FILE": "httpx",
    "SSL_CERT_DIR": "httpx",
    "SETUPTOOLS_SCM_PRETEND_VERSION": "setuptools-scm",
    "HATCH_CACHE_DIR": "Hatch",
    "HATCH_INTERACTIVE": "Hatch",
    "PYTHONIOENCODING": "Python",
    "REQUESTS_CA_BUNDLE": "sigstore",
    "SIGSTORE_ID_TOKEN": "named after the audience",
    **{name: "Hatch" for option in FLAGS if isinstance(name := option.envvar, str)},
}
"""Variables in the reference that a dependency reads."""
NO_VARIABLES: Final = {
    "GCM_INTERACTIVE": "set for Git",
    "O_NOFOLLOW": "a flag of os.open",
    "O_NONBLOCK": "a flag of os.open",
}
"""Strings in the code that look like variables, and their meaning."""


def section(heading: str) -> str:
    """Return the text under a heading of the pages, up to the next heading of its level."""
    found = [
        match["text"]
        for page in PAGES
        for match in re.finditer(
            rf"^(?P<level>#+) {re.escape(heading)}\n(?P<text>.*?)(?=^(?P=level) |\Z)",
            page.read_text("utf-8"),
            re.MULTILINE | re.DOTALL,
        )
    ]
    [text] = found
    return text


def rows(heading: str) -> list[list[str]]:
    """Return the cells of all tables under a heading, without the header rows."""
    lines = section(heading).splitlines()
    heads = {number - 1 for number, line in enumerate(lines) if line.startswith("|---")}
    table = [line for number, line in enumerate(lines) if line.startswith("| ") and number not in heads]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table]


def code(cell: str) -> list[str]:
    """Return what a cell has in backticks."""
    return re.findall("`([^`]+)`", cell)


def test_flags() -> None:
    """The table has the flags of Hatch's command, each with its short form and its variable."""
    listed = {frozenset(code(flag)): code(variable) for flag, variable, *_ in rows("Command line")}
    assert {frozenset(option.opts): [option.envvar] if option.envvar else [] for option in FLAGS} == listed


def kind(parser: values.Parser) -> str:
    """Return the type of a key in the reference's words, by its parser's complaint about a wrong value."""
    with pytest.raises(SettingsError) as caught:
        parser("key", [])
    code, facts = caught.value.message.code, caught.value.message.facts
    if code == "not-one-of":
        return ", ".join(f"`{choice}`" for choice in facts["allowed"])
    name = re.sub("^not-an?-", "", code)
    return f"{name}, {facts['low']:g} to {facts['high']:g}" if "low" in facts else name


@pytest.mark.parametrize(
    ("heading", "keys"),
    [("Publisher keys", settings.KEYS), ("Other indexes", REPO_KEYS)],
    ids=["keys", "repos"],
)
def test_types(heading: str, keys: Mapping[str, values.Parser]) -> None:
    """The types and choices in the tables are those that the code accepts."""
    listed = {name: cells[1] for cells in rows(heading) for name in code(cells[0]) if name in keys}
    assert listed
    # A URL is a string that a later step checks.
    assert {name: listed[name] if listed[name] == "URL" else kind(keys[name]) for name in listed} == listed


def test_publishers() -> None:
    """The page lists the providers and fields of the table `publisher`."""
    listed = re.findall(r'^- `provider = "(\w+)"`: (.*)$', section("publisher"), re.MULTILINE)
    assert settings.PUBLISHER_FIELDS == {provider: tuple(code(fields)) for provider, fields in listed}


def variables(tree: ast.AST) -> Iterator[str]:
    """Yield the environment variables that a module names, by their form or by their use."""
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if re.fullmatch("[A-Z][A-Z0-9]*(_[A-Z0-9]+)+", text):
                yield text
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="environ") | ast.Attribute(attr="environ"), attr="get" | "pop"),
                args=[ast.Constant(value=str(text)), *_],
            ):
                yield text
            case ast.Subscript(
                value=ast.Name(id="environ") | ast.Attribute(attr="environ"), slice=ast.Constant(value=str(text))
            ):
                yield text


def named() -> set[str]:
    """Return all variables that the code reads."""
    found = {name for path in MODULES for name in variables(ast.parse(path.read_text("utf-8")))}
    found -= {name for name in found if name.startswith("GIT_")} - {"GIT_SSH_COMMAND"}  # set or removed for Git
    return found | {gitlab_variable("pypi"), gitlab_variable("testpypi"), gitlab_variable("…")[1:]}


def test_variables() -> None:
    """The reference has each variable that the code or a dependency reads, and no other."""
    listed = {name.removeprefix("…") for cells in rows("Environment variables") for name in code(cells[0])}
    indexes = {name for name in OF_OTHERS if name.startswith("HATCH_INDEX_")}
    assert indexes
    assert "HATCH_INDEX_*" in listed
    assert (named() - NO_VARIABLES.keys()) | OF_OTHERS.keys() == (listed - {"HATCH_INDEX_*"}) | indexes


def test_exceptions_of_variables() -> None:
    """Each exception is still in the code."""
    assert set() == NO_VARIABLES.keys() - named()


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('os.environ["TIME"]', ["TIME"]),
        ('os.environ.get("TIME", "")', ["TIME"]),
        ('environ.get("TIME")', ["TIME"]),
        ('NAME: Final = "THE_TIME"', ["THE_TIME"]),
        ('table.get("TIME") or "Time_Out"', []),
    ],
    ids=["item", "get", "argument", "constant", "none"],
)
def test_variables_are_found(line: str, found: list[str]) -> None:
    """The search finds a variable however the code reads it."""
    assert found == list(variables(ast.parse(line)))


def exit_codes(tree: ast.AST) -> Iterator[int]:
    """Yield the exit codes of a module. A string is printed, and counts as 1."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="SystemExit") | ast.Attribute(attr="exit" | "_exit"), args=[code, *_]):
                yield code.value if isinstance(code, ast.Constant) and isinstance(code.value, int) else 1
            case ast.Call(func=ast.Attribute(attr="abort"), args=args, keywords=keywords):
                named = {keyword.arg: ast.literal_eval(keyword.value) for keyword in keywords}
                yield named["code"] if "code" in named else ast.literal_eval(args[1]) if len(args) > 1 else ABORT


ABORT: Final = inspect.signature(Application.abort).parameters["code"].default


def test_exit_codes() -> None:
    """The table has the exit codes of the code, 0, and the one of click for a bad command line."""
    own = {code for path in MODULES for code in exit_codes(ast.parse(path.read_text("utf-8")))}
    assert sorted({0, *own, UsageError.exit_code}) == [int(cells[0]) for cells in rows("Exit codes")]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("self.app.abort()", [1]),
        ('self.app.abort("no", 3)', [3]),
        ("self.app.abort(code=3)", [3]),
        ('raise SystemExit("no")', [1]),
        ("sys.exit(4)", [4]),
        ("server.exit()", []),
    ],
    ids=["abort", "argument", "keyword", "text", "number", "none"],
)
def test_exit_codes_are_found(line: str, found: list[int]) -> None:
    """The search finds an exit code however the code sets it."""
    assert found == list(exit_codes(ast.parse(line)))


def named_tests(page: Path) -> list[str]:
    return re.findall(r"`((?:tests/)[\w/]+\.py(?:::\w+)*)`", page.read_text("utf-8"))


@pytest.mark.parametrize("page", [page for page in PAGES if named_tests(page)], ids=lambda page: page.name)
def test_tests_that_are_named(page: Path) -> None:
    """Each test that a page names exists."""
    lost = []
    for name in named_tests(page):
        path, *names = name.split("::")
        text = (ROOT / path).read_text("utf-8") if (ROOT / path).is_file() else ""
        if not text or not all(re.search(rf"^ *(def|class) {one}\b", text, re.MULTILINE) for one in names):
            lost.append(name)
    assert [] == lost, "\n".join(lost)


def test_each_promise_names_its_tests() -> None:
    """Each rule on the security page has a test, and each section has rules, unless it says what is not promised."""
    page = (ROOT / "docs" / "explanation" / "security.md").read_text("utf-8")
    sections = dict(re.findall(r"^## (.+)\n((?:(?!## ).*\n)*)", page, re.MULTILINE))
    rules = {
        name: re.findall(r"^\| (?!rule \|)(.+) \| (.*) \|$", text, re.MULTILINE) for name, text in sections.items()
    }
    assert {"What is not protected", "Who should be able to release"} == {name for name in rules if not rules[name]}
    named = r"(`tests/[\w/]+\.py(::\w+)+`(, |$))+"
    assert [] == [rule for found in rules.values() for rule, tests in found if not re.fullmatch(named, tests)]
