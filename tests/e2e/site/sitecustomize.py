"""Changes to the subprocesses of these tests compared with a CI; each is enabled by a variable.

- ``E2E_WITHOUT``: a package that is not installed.
- ``E2E_GOOGLE``: the address that replaces Google's metadata server, on a machine of Google's.
- ``E2E_NO_WAIT``: retries do not wait.
- ``E2E_LOG``: everything that any library logs, at any level, is written to standard error.
- ``E2E_CRASH``: a function, such as ``index.upload_api.read_upload``, that fails with its arguments.
- ``E2E_SIGSTORE``: a file with the configuration that replaces the public Sigstore.
- ``E2E_MODULES``: a file to which the names of all imported modules are written at the end.
"""

from __future__ import annotations

import atexit
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any, NoReturn


class _Without:
    """A finder that does not find one package."""

    def __init__(self, package: str, finder: Any) -> None:
        self._package, self._finder = package, finder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._finder, name)

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        if name.partition(".")[0] == self._package:
            return None
        found: ModuleSpec | None = self._finder.find_spec(name, path, target)
        return found


def _modules(path: str) -> None:
    Path(path).write_text("\n".join(sys.modules), "utf-8")


def _own_sigstore(path: str) -> None:
    from sigstore.models import ClientTrustConfig

    config = ClientTrustConfig.from_json(Path(path).read_text("utf-8"))
    setattr(ClientTrustConfig, "production", staticmethod(lambda: config))  # noqa: B010


def _on_google(url: str) -> None:
    from id._internal.oidc import ambient

    from hatch_trusted_publish.identity import ambient as identity

    product_name = Path(os.environ["HOME"], "product_name")
    product_name.write_text("Google Compute Engine\n", "utf-8")
    vars(ambient)["_GCP_PRODUCT_NAME_FILE"] = str(product_name)
    vars(ambient)["_GCP_IDENTITY_REQUEST_URL"] = url
    vars(ambient)["_GCP_TOKEN_REQUEST_URL"] = f"{url}/access-token"
    vars(ambient)["_GCP_GENERATEIDTOKEN_REQUEST_URL"] = f"{url}/{{}}"
    vars(identity)["GOOGLE_PRODUCT_NAME"] = product_name


def _crash(module: str, function: str) -> None:
    def crash(*arguments: object) -> NoReturn:
        raise RuntimeError(arguments)

    vars(importlib.import_module(f"hatch_trusted_publish.{module}"))[function] = crash


if package := os.environ.get("E2E_WITHOUT"):
    sys.meta_path[:] = [_Without(package, finder) for finder in sys.meta_path]
if url := os.environ.get("E2E_GOOGLE"):
    _on_google(url)
if "E2E_NO_WAIT" in os.environ:
    import stamina

    stamina.set_testing(True, attempts=5, cap=True)
if "E2E_LOG" in os.environ:
    logging.basicConfig(level=1)
    logging.debug("all is logged")
if name := os.environ.get("E2E_CRASH"):
    _crash(*name.rsplit(".", 1))
if path := os.environ.get("E2E_SIGSTORE"):
    _own_sigstore(path)
if path := os.environ.get("E2E_MODULES"):
    atexit.register(_modules, path)
