"""Hatch's publisher, the only module that knows Hatch: its flags in, its output and exit code out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from hatch.publish.plugin.interface import PublisherInterface

from . import process
from .errors import Message, SettingsError, TrustedPublishError

if TYPE_CHECKING:
    from .settings.options import Flags


class TrustedPublisher(PublisherInterface):
    """``hatch publish -p trusted``."""

    PLUGIN_NAME = "trusted"

    def publish(self, artifacts: list[str], options: dict[str, Any]) -> None:
        """Publish; Hatch calls this.

        Args:
            artifacts: files and directories, as they were typed.
            options: the pairs of ``-o``, and what Hatch adds to them.
        """
        # Imported here, so that no other command of Hatch has to wait for them.
        from .output.console import Console

        process.prepare()
        context = click.get_current_context(silent=True)
        interactive = None if context is None else context.find_root().params.get("interactive")
        console = Console(self.app, os.environ, interactive=interactive is not False)
        if "help" in options:  # Hatch cannot show the options of a plugin
            console.show("success", str(Message("options-help")))
            return
        try:
            for package in ("httpx", "id", "pypi_attestations", "stamina"):
                if find_spec(package) is None:
                    raise SettingsError("extra-missing", extra="publish", missing=package)
            from .run import publish
            from .settings.options import parse

            settings = parse(options, _flags(options), self.project_config, self.plugin_config)
            publish(settings, artifacts, Path(self.root), Path(self.cache_dir), console)
        except TrustedPublishError as error:
            console.critical("\n".join([str(error), *getattr(error, "__notes__", ())]))
            self.app.abort()  # with the text, -qqq would silence it


def _flags(options: Mapping[str, Any]) -> Flags:
    """Hatch's own flags and variables, which it does not hand to a plugin."""
    from .settings.options import Flags

    context = click.get_current_context(silent=True)
    said: Mapping[str, Any] = {} if context is None else context.params
    return Flags(
        repo=said.get("repo"),
        user=said.get("user") is not None,
        auth=said.get("auth") is not None,
        initialize_auth=bool(options.get("initialize_auth")),
        ca_cert=said.get("ca_cert"),
        client_cert=said.get("client_cert"),
        client_key=said.get("client_key"),
    )
