"""Settings of the layers that a test gives, and the mistakes reported in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pytest

from hatch_trusted_publish.errors import Message, SettingsError
from hatch_trusted_publish.index.endpoints import Repository
from hatch_trusted_publish.settings.options import Flags, Settings, parse
from hatch_trusted_publish.settings.repositories import UPLOAD_URLS

MAIN, TEST = (Repository(name, url) for name, url in UPLOAD_URLS.items())
COMPANY_URL: Final = "https://index.example/legacy/"
COMPANY: Final = Repository("company", COMPANY_URL)
TABLE: Final = "tool.hatch.publish.trusted"
USER: Final = "publish.trusted"
NOTHING: Final[Mapping[str, Any]] = {}
NO_FLAGS: Final = Flags()


def read(
    options: Mapping[str, Any] = NOTHING,
    flags: Flags = NO_FLAGS,
    project: Mapping[str, Any] = NOTHING,
    user: Mapping[str, Any] = NOTHING,
) -> Settings:
    """Return the settings of the layers."""
    return parse(options, flags, project, user)


def mistakes(
    options: Mapping[str, Any] = NOTHING,
    flags: Flags = NO_FLAGS,
    project: Mapping[str, Any] = NOTHING,
    user: Mapping[str, Any] = NOTHING,
) -> list[Message]:
    """Return the mistakes reported."""
    with pytest.raises(SettingsError) as caught:
        parse(options, flags, project, user)
    assert "settings-refused" == caught.value.message.code
    return [*caught.value.problems]


def codes(problems: list[Message]) -> list[tuple[str, str]]:
    """Return the code and the key of each mistake."""
    return [(one.code, one.facts["key"]) for one in problems]
