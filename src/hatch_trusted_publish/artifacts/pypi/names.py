"""Names of files and platforms that PyPI rejects."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from ..filenames import normalized
from . import Refusal

LONGEST_NAME: Final = 246
"""Characters. PyPI keeps the metadata of a wheel in a file with `.metadata` after its name."""

_ANY_LINUX: Final = r"x86_64|i686|aarch64|armv7l|ppc64le|s390x|riscv64"
_APPLE: Final = r"ppc|ppc64|i386|x86_64|arm64|intel|fat|fat3|fat64|universal|universal2"
_PLATFORM: Final = re.compile(
    rf"""
    any | win32 | win_(amd64|arm64|ia64) | linux_armv[67]l
    | manylinux(1|2010)_(x86_64|i686) | manylinux2014_(x86_64|i686|aarch64|armv7l|ppc64|ppc64le|s390x)
    | manylinux_\d+_\d+_({_ANY_LINUX}|ppc64) | musllinux_\d+_\d+_({_ANY_LINUX})
    | macosx_10_\d+_({_APPLE}) | macosx_(11|12|13|14|15|26)_0_({_APPLE})
    | ios_\d+_\d+_(arm64|x86_64)_(iphoneos|iphonesimulator) | android_\d+_(armeabi_v7a|arm64_v8a|x86|x86_64)
    | pyemscripten_\d+_\d+_wasm32
    """,
    re.VERBOSE,
)
_NEWER_PLATFORM: Final = re.compile(rf"macosx_(2[7-9]|[3-9]\d)_0_({_APPLE})")


def refusals(filename: str, name: str, version: Version) -> Iterator[Refusal]:
    """Yield PyPI's words about the name of a file of this release, in PyPI's order."""
    expected = normalized(filename, canonicalize_name(name), version)
    if not filename.endswith(".whl"):
        expected = expected.removesuffix(".tar.gz") + (".zip" if filename.endswith(".zip") else ".tar.gz")
        if filename != expected:
            yield Refusal("not-normalized", f"Filename {filename!r} is invalid, should be {expected!r}.")
        return
    try:
        project, stated, _, tags = parse_wheel_filename(filename)
    except InvalidWheelFilename as error:
        yield Refusal("bad-file-name", str(error))
        return
    for platform in sorted({tag.platform for tag in tags}):
        if not _PLATFORM.fullmatch(platform):
            code = "linux-tag" if platform.startswith("linux_") else "bad-platform"
            said = f"Binary wheel {filename!r} has an unsupported platform tag {platform!r}."
            yield Refusal(code, said, is_certain=not _NEWER_PLATFORM.fullmatch(platform))
    stem = expected.partition("-")[0]
    if project != canonicalize_name(name):
        yield Refusal("bad-file-name", f"Start filename for {name!r} with {stem!r}.")
    elif filename != expected:
        said = f"Filename {filename!r} should contain the normalized project name {stem!r}, not {filename.partition('-')[0]!r}."
        yield Refusal("not-normalized", said)
    if stated != version:
        yield Refusal("bad-file-name", f"Version in filename should be {str(version)!r} not {str(stated)!r}.")
    if len(filename) > LONGEST_NAME:
        yield Refusal("bad-file-name", f"Filename is too long: {filename!r}")
