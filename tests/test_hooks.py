"""The modules that Hatch and hatchling load, and their cost for a build."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hatch.plugin.manager import PluginManager

from hatch_trusted_publish import hooks
from hatch_trusted_publish.publisher import TrustedPublisher
from hatch_trusted_publish.versions.source import PublicVersionSource

LOADS = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1].split():
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
from hatchling.plugin.manager import PluginManager

manager = PluginManager()
manager.builder.collect()
"""
SOURCE = """
source = manager.version_source.get("vcs-public")
"""
VERSION = """
import os, tempfile

os.environ["SETUPTOOLS_SCM_PRETEND_VERSION"] = "1.2.3+local"
print(source(tempfile.gettempdir(), {}).get_version_data()["version"])
"""
LOADED = """
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"hatch", "httpx", "id", "rich", "stamina"}))
"""


def in_a_build(program: str, missing: str = "") -> str:
    """Return what *program* prints in its own interpreter, in which the packages *missing* cannot be imported."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("HATCH_", "SETUPTOOLS_"))}
    done = subprocess.run(
        [sys.executable, "-c", program, missing], env=environ, capture_output=True, text=True, check=False
    )
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout


@pytest.mark.parametrize("program", [LOADS, LOADS + SOURCE], ids=["the hooks", "the version source"])
def test_cheap(program: str) -> None:
    """A build loads the hooks and the version source, but nothing that only a release needs."""
    assert "\n" == in_a_build(program + LOADED)


@pytest.mark.parametrize("missing", ["hatch", "hatch httpx id rich stamina"])
def test_build_environment(missing: str) -> None:
    """A build environment without Hatch still gets its version."""
    assert "1.2.3\n" == in_a_build(LOADS + SOURCE + VERSION, missing)


def test_the_rest_of_a_release_is_lazy() -> None:
    """Hatch loads the publisher for each `hatch publish`, even with another one, so importing it is light, too."""
    program = "import sys\nimport hatch_trusted_publish.publisher\n"
    assert "hatch\n" == in_a_build(program + LOADED)


def test_names() -> None:
    """Hatch finds both by the names that you configure."""
    assert (TrustedPublisher, PublicVersionSource) == (
        hooks.hatch_register_publisher(),
        hooks.hatch_register_version_source(),
    )
    manager = PluginManager()
    assert TrustedPublisher is manager.publisher.get("trusted")
    assert PublicVersionSource is manager.version_source.get("vcs-public")
