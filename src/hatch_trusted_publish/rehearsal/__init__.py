"""An embedded index with its own identity provider, to rehearse a release (extra `rehearsal`).

It behaves as PyPI does, as far as `tests/rehearsal/test_recordings.py` shows: no network, no
account and no CI are needed, and the run that is rehearsed is the real one.
"""

from __future__ import annotations

from .installing import install
from .server import Rehearsal, hold

__all__ = ["Rehearsal", "hold", "install"]
