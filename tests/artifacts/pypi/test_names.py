"""Names of files and platforms."""

from __future__ import annotations

import pytest
from packaging.version import Version

from hatch_trusted_publish.artifacts.pypi import Refusal, names


def refusals(filename: str, name: str = "a.b", version: str = "1.0") -> list[Refusal]:
    return list(names.refusals(filename, name, Version(version)))


ARCHES = ["x86_64", "i686", "aarch64", "armv7l", "ppc64le", "s390x", "riscv64"]
TAKEN = [
    *["any", "win32", "win_amd64", "win_arm64", "win_ia64", "linux_armv6l", "linux_armv7l"],
    *["manylinux1_x86_64", "manylinux2010_i686", "manylinux2014_s390x", "manylinux_2_28_ppc64"],
    *[f"manylinux_2_17_{arch}" for arch in ARCHES],
    *[f"musllinux_1_2_{arch}" for arch in ARCHES],
    *["macosx_10_9_universal2", "macosx_10_15_x86_64", "macosx_11_0_arm64", "macosx_14_0_fat3", "macosx_26_0_arm64"],
    *["ios_13_0_arm64_iphoneos", "ios_17_4_x86_64_iphonesimulator", "android_21_x86", "android_24_armeabi_v7a"],
    "pyemscripten_2026_0_wasm32",
]
REFUSED = [
    *[
        "linux_x86_64",
        "linux_i686",
        "linux_aarch64",
        "manylinux1_aarch64",
        "manylinux2010_ppc64",
        "manylinux2014_riscv64",
    ],
    *[
        "manylinux_2_17_loongarch64",
        "musllinux_1_2_ppc64",
        "win_arm32",
        "win",
        "macosx_11_1_arm64",
        "macosx_16_0_arm64",
    ],
    *[
        "macosx_10_9_foo",
        "macosx_11_0_fat32",
        "ios_13_0_arm64_watch",
        "ios_13_0_i386_iphonesimulator",
        "android_21_mips",
    ],
    *["pyodide_2024_0_wasm32", "emscripten_3_1_58_wasm32", "wasi_0_1_wasm32", "freebsd_13_amd64", "any_more"],
]


@pytest.mark.parametrize("platform", TAKEN)
def test_platforms(platform: str) -> None:
    """PyPI knows these platforms."""
    assert [] == refusals(f"a_b-1.0-cp312-cp312-{platform}.whl")


@pytest.mark.parametrize("platform", REFUSED)
def test_other_platforms(platform: str) -> None:
    """PyPI rejects other platforms, and one is enough."""
    filename = f"a_b-1.0-cp312-cp312-{platform}.manylinux_2_17_x86_64.whl"
    code = "linux-tag" if platform.startswith("linux_") else "bad-platform"
    said = f"Binary wheel {filename!r} has an unsupported platform tag {platform!r}."

    assert [Refusal(code, said)] == refusals(filename)


@pytest.mark.parametrize("platform", ["macosx_27_0_arm64", "macosx_31_0_universal2"])
def test_newer_platforms(platform: str) -> None:
    """A future macOS may be accepted by then."""
    assert [("bad-platform", False)] == [
        (one.code, one.is_certain) for one in refusals(f"a_b-1.0-py3-none-{platform}.whl")
    ]


@pytest.mark.parametrize(
    ("filename", "version", "expected"),
    [
        ("a_b-1.0.tar.gz", "1.0", []),
        ("a_b-1.0.zip", "1.0", []),
        ("a_b-1.0.0-1-py3-none-any.whl", "1.0", []),
        ("a-b-1.0.tar.gz", "1.0", ["Filename 'a-b-1.0.tar.gz' is invalid, should be 'a_b-1.0.tar.gz'."]),
        ("a_b-1.0.0.zip", "1.0.0", []),
        ("a_b-1.0.zip", "1.0.0", ["Filename 'a_b-1.0.zip' is invalid, should be 'a_b-1.0.0.zip'."]),
        (
            "A.B-1.0-py3-none-any.whl",
            "1.0",
            ["Filename 'A.B-1.0-py3-none-any.whl' should contain the normalized project name 'a_b', not 'A.B'."],
        ),
        ("a_b-1.0-any.whl", "1.0", ["Invalid wheel filename (wrong number of parts): 'a_b-1.0-any'"]),
        ("c-1.0-py3-none-any.whl", "1.0", ["Start filename for 'a.b' with 'a_b'."]),
        ("a_b-1.1-py3-none-any.whl", "1.0", ["Version in filename should be '1.0' not '1.1'."]),
        (f"a_b-1.0-py3-none-{'any.' * 55}any.whl", "1.0", []),
        (
            f"a_b-1.0-py3-none-{'any.' * 56}any.whl",
            "1.0",
            [f"Filename is too long: 'a_b-1.0-py3-none-{'any.' * 56}any.whl'"],
        ),
    ],
)
def test_names(filename: str, version: str, expected: list[str]) -> None:
    """PyPI's words about the name of a file."""
    assert expected == [one.said for one in refusals(filename, version=version)]
