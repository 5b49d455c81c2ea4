"""An embedded index with its own identity provider, to rehearse a release (extra `rehearsal`).

It answers as PyPI does (`tests/rehearsal/test_recordings.py` and `test_verdicts.py` show how far), and needs no
network, no account and no CI. The run that it rehearses is the real one.
"""

from __future__ import annotations

from .installing import install
from .server import Rehearsal, hold

__all__ = ["Rehearsal", "hold", "install"]
