"""The tutorial works as written, from an empty directory to a rehearsed release."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from tests.support.pages import ROOT, Shell, blocks_of

from .world import as_read, clean_environ

pytestmark = pytest.mark.slow

PAGE: Final = ROOT / "docs" / "tutorial.md"


def comparable(said: str) -> list[str]:
    """Return the lines without parts that differ from run to run: port, installer, sizes and times."""
    same = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", as_read(said))
    return re.sub(r"with (uv|pip),", "with an installer,", same).splitlines()


def test_on_your_own_machine(tmp_path: Path) -> None:
    """Each command that needs no account works, and prints what the page shows."""
    environ = clean_environ(tmp_path / "home")
    (tmp_path / "home" / ".gitconfig").write_text("[user]\nname = Ada\nemail = ada@example.org\n", "utf-8")
    Path(environ["HATCH_CONFIG"]).write_text("", "utf-8")  # Hatch's defaults, with attestations
    shell = Shell(tmp_path, environ)
    end = PAGE.read_text("utf-8").partition("\n## 6. Release on TestPyPI\n")[0].count("\n")
    code, said, shown = 0, "", []
    for block in (block for block in blocks_of(PAGE) if block.line <= end):
        if block.name:
            shell.save(block)
        elif block.language == "text":
            lines = comparable(block.text)
            assert lines == comparable(said)[-len(lines) :]
            shown.append(code)
        else:
            code, said = shell.type(block.text)
    assert [0, 1] == shown
    assert 0 == code
    made = ["sample-0.1.1.dev1-py3-none-any.whl", "sample-0.1.1.dev1.tar.gz"]
    assert made == sorted(path.name for path in (shell.directory / "dist").iterdir())
