"""The console script `hatch-trusted-publish`.

`digest` works where only the base dependencies are installed: a build job computes it. The other
commands need the extra `rehearsal`.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

from .errors import Message, TrustedPublishError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        if arguments[:1] == ["digest"]:
            from .artifacts.digest import digest_of
            from .artifacts.distribution import find

            sums = ((path.name, _sha256(path)) for path, _ in find(arguments[1:], Path.cwd()))
            sys.stdout.write(f"{digest_of(sums)}\n")
            return 0
        try:
            from .cli.commands import run
        except ImportError as error:
            sys.stderr.write(f"{Message('script-extra-missing', library=error.name).coded}\n")
            return 1
        return run(arguments)
    except TrustedPublishError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    sys.exit(main())
