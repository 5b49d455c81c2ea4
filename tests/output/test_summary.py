"""A run → Markdown for GitHub's job summary, its outputs, and GitLab's dotenv file."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from hatch_trusted_publish.errors import Message
from hatch_trusted_publish.index.endpoints import Index, Repository, find_index
from hatch_trusted_publish.output.progress import OUTCOMES
from hatch_trusted_publish.output.summary import dotenv, install_command, job_summary, outputs
from hatch_trusted_publish.upload.outcome import Outcome, Plan, Run
from tests.support.helpers import a_distribution

MAIN: Final = find_index(Repository("main", "https://upload.pypi.org/legacy/"))
TEST: Final = find_index(Repository("test", "https://test.pypi.org/legacy/"))
PRIVATE: Final = find_index(Repository("in|house", "https://index.example/a_(b)/legacy/"))
WHEEL, SDIST = a_distribution("a_b-1.0-py3-none-any.whl"), a_distribution("a_b-1.0.tar.gz")
OTHER: Final = a_distribution("other-1!2.0+x.tar.gz")
NO_RELEASE: Final = Run()


def released(index: Index = MAIN, *others: Outcome) -> Run:
    """Return a run whose two files are on the index, the first since today."""
    plan = Plan(index, (Outcome(WHEEL), Outcome(SDIST, "there"), *others))
    return Run(plan, {WHEEL.filename: Outcome(WHEEL, "uploaded")})


UPLOADED, THERE, NOT_TRIED, FAILED = (
    str(OUTCOMES[result][1]) for result in ("uploaded", "there", "not tried", "failed")
)
WOULD: Final = str(Message("would-be-uploaded"))

TABLE: Final = f"""\
| file | size | sha256 | |
|---|--:|---|---|
| `a_b-1.0-py3-none-any.whl` | 24 B | `{WHEEL.sha256}` | {UPLOADED} |
| `a_b-1.0.tar.gz` | 14 B | `{SDIST.sha256}` | {THERE} |
"""


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        pytest.param(
            MAIN,
            f"""
## Release of a-b 1.0 to PyPI

[https\\://pypi.org/project/a-b/1.0/](https://pypi.org/project/a-b/1.0/)

```sh
pip install a-b==1.0
```

{TABLE}""",
            id="PyPI",
        ),
        pytest.param(
            TEST,
            f"""
## Release of a-b 1.0 to TestPyPI

[https\\://test.pypi.org/project/a-b/1.0/](https://test.pypi.org/project/a-b/1.0/)

```sh
pip install --index-url https://test.pypi.org/simple/ --no-deps a-b==1.0
```

{Message("testpypi-advice")}

{TABLE}""",
            id="TestPyPI",
        ),
        pytest.param(
            PRIVATE,
            f"""
## Release of a-b 1.0 to in\\|house

[https\\://index.example/a\\_\\(b\\)/simple/a-b/](https://index.example/a_%28b%29/simple/a-b/)

```sh
pip install --index-url 'https://index.example/a_(b)/simple/' a-b==1.0
```

{TABLE}""",
            id="another index",
        ),
    ],
)
def test_a_release(index: Index, expected: str) -> None:
    """The summary has the release, its URL, the install command, and each file with its hash."""
    assert expected == job_summary(released(index), None, dry_run=False)


def test_several_releases() -> None:
    """Each release has its link, and one command installs all."""
    expected = f"""
## Release of a-b 1.0, other 1\\!2.0\\+x to PyPI

[https\\://pypi.org/project/a-b/1.0/](https://pypi.org/project/a-b/1.0/)

[https\\://pypi.org/project/other/1\\%212.0\\%2Bx/](https://pypi.org/project/other/1%212.0%2Bx/)

```sh
pip install a-b==1.0 'other==1!2.0+x'
```

{TABLE}| `other-1!2.0+x.tar.gz` | 20 B | `{OTHER.sha256}` | {NOT_TRIED} |
"""
    assert expected == job_summary(released(MAIN, Outcome(OTHER)), None, dry_run=False)


def test_who_published() -> None:
    """Once the CI has issued an identity, the summary names the publisher; no claim breaks out."""
    done = released()
    done.claims = lambda: {"iss": "https://ci.example", "sub": "[x](y)\n# z"}
    assert r"Publishing as \[x\]\(y\) \# z, https\://ci.example" in job_summary(done, None, dry_run=False).splitlines()


def test_links_to_files() -> None:
    """A file whose URL is known is a link."""
    done = released()
    done.outcomes[WHEEL.filename] = replace(done.outcomes[WHEEL.filename], url="https://files.example/a b)(.whl")
    assert "| [`a_b-1.0-py3-none-any.whl`](https://files.example/a%20b%29%28.whl) |" in job_summary(
        done, None, dry_run=False
    )


def test_a_failure() -> None:
    """After a failure the summary has the error and each outcome; no command, which could install something else."""
    done = released()
    done.outcomes[WHEEL.filename] = Outcome(WHEEL, "failed")
    expected = f"""
## Release of a-b 1.0 to PyPI failed

````text
It said ``` and
| a | b |
````

{TABLE.replace(UPLOADED, FAILED)}"""
    assert expected == job_summary(done, "It said ``` and\n| a | b |", dry_run=False)


def test_a_failure_before_the_plan() -> None:
    """A run that ended before its plan has its error; without an error, the summary is empty."""
    assert "\n## Release failed\n\n```text\nno\n```\n" == job_summary(NO_RELEASE, "no", dry_run=False)


def test_a_dry_run() -> None:
    """A dry run claims no release."""
    done = Run(released().plan)
    expected = f"\n## Dry run of a-b 1.0 to PyPI\n\n{TABLE.replace(UPLOADED, WOULD)}"
    assert expected == job_summary(done, None, dry_run=True)
    assert "\n## Dry run of a-b 1.0 to PyPI failed\n" in job_summary(done, "no", dry_run=True)


@settings(deadline=None, max_examples=200)
@given(name=st.text(), error=st.text())
def test_nothing_breaks_out(name: str, error: str) -> None:
    """Whatever an error or a name holds, the page keeps its one heading, its block, its table, and no HTML."""
    index = replace(PRIVATE, name=name)
    # Markdown also treats each of these as a new line.
    error = re.sub(r"[\r\0]", " ", error)
    tokens = MarkdownIt("commonmark").enable("table").parse(job_summary(released(index), error, dry_run=False))
    blocks = [token.type for token in tokens if token.level == 0]
    assert ["heading_open", "inline", "heading_close", "fence", "table_open", "table_close"] == [
        *blocks[:1],
        *[token.type for token in tokens if token.level == 1][:1],
        *blocks[1:],
    ]
    assert f"{error}\n" == next(token.content for token in tokens if token.type == "fence")
    assert 2 == len([token for token in tokens if token.type == "tr_open"]) - 1
    inside = [child.type for token in tokens for child in token.children or []]
    assert {"text", "code_inline", "softbreak", "text_special"} >= set(inside) - {"hardbreak"}


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (MAIN, "pip install a-b==1.0"),
        (TEST, "pip install --index-url https://test.pypi.org/simple/ --no-deps a-b==1.0"),
        (replace(PRIVATE, simple_url="https://h/$(id)/"), "pip install --index-url 'https://h/$(id)/' a-b==1.0"),
    ],
)
def test_install_command(index: Index, expected: str) -> None:
    """The command installs the release from its own index, and no part of it is shell syntax."""
    plan = released(index).plan
    assert plan is not None
    assert expected == install_command(plan)


def plan_of(run: Run) -> Plan:
    assert run.plan is not None
    return run.plan


def outputs_of(run: Run) -> str:
    return outputs(plan_of(run), run, "EOF")


def read(text: str) -> dict[str, str]:
    """Parse outputs as GitHub's runner does."""
    lines = iter(text.split("\n"))
    found = {}
    for line in lines:
        if line:
            name, delimiter = line.split("<<")
            value = []
            while (each := next(lines)) != delimiter:
                value.append(each)
            found[name] = "\n".join(value)
    return found


def test_outputs() -> None:
    """The outputs are the version, the URL, and the files in JSON."""
    expected = {
        "version": "1.0",
        "url": "https://pypi.org/project/a-b/1.0/",
        "files": '["a_b-1.0-py3-none-any.whl", "a_b-1.0.tar.gz"]',
    }
    assert expected == read(outputs_of(released()))
    assert "version<<EOF\n1.0\nEOF\nurl<<EOF\n" == outputs_of(released()).partition("https")[0]


def test_outputs_of_several_releases() -> None:
    """Several releases have a line each; a version that two of them share is listed once."""
    other, more = a_distribution("more-1.0.tar.gz"), Outcome(OTHER)
    found = read(outputs_of(released(MAIN, more, Outcome(other, "there"))))
    assert ("1.0\n1!2.0+x", 3) == (found["version"], len(found["url"].split("\n")))


def test_outputs_of_a_failure() -> None:
    """Files that failed, may not be on the index, or have other bytes there, are not in the outputs."""
    plan = Plan(MAIN, (Outcome(WHEEL), Outcome(SDIST), Outcome(OTHER, "differs")))
    done = Run(plan, {WHEEL.filename: Outcome(WHEEL, "failed"), SDIST.filename: Outcome(SDIST, "unknown")})
    assert [] == json.loads(read(outputs_of(done))["files"])


def test_dotenv() -> None:
    """GitLab gets three plain values, of the first release; a run without a plan has none."""
    expected = "RELEASE_NAME=a-b\nRELEASE_VERSION=1.0\nRELEASE_URL=https://pypi.org/project/a-b/1.0/\n"
    assert expected == dotenv(plan_of(released()))
    assert expected == dotenv(plan_of(released(MAIN, Outcome(OTHER))))
