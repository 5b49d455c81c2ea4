"""The hooks that Hatch and hatchling load.

A build environment has no ``hatch``, and every build loads this: all imports are inside the hooks.
"""

from __future__ import annotations

from hatchling.plugin import hookimpl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .publisher import TrustedPublisher
    from .versions.source import PublicVersionSource


@hookimpl
def hatch_register_publisher() -> type[TrustedPublisher]:
    """``-p trusted``."""
    from .publisher import TrustedPublisher

    return TrustedPublisher


@hookimpl
def hatch_register_version_source() -> type[PublicVersionSource]:
    """``source = "vcs-public"``."""
    from .versions.source import PublicVersionSource

    return PublicVersionSource
