"""The built site on loopback, and Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from threading import Thread
from typing import Any, Final

import pytest
from selenium import webdriver

from tests.support.pages import ROOT, build_site

FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",  # it is small in a container
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
STILL: Final = """
document.addEventListener("DOMContentLoaded", () => {
  document.head.insertAdjacentHTML("beforeend", "<style>* {transition: none !important}</style>");
});
"""
"""Makes colors change at once, so that nothing is measured halfway."""


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of the built site."""
    directory = tmp_path_factory.mktemp("site")
    assert (0, "") == build_site(ROOT / "docs", directory)
    return directory / "html"


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and logs nothing."""

    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002


@pytest.fixture(scope="session")
def origin(site: Path) -> Iterator[str]:
    """Return the URL of the served site."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class Browser:
    """One Chromium for all pages: starting it takes longer than opening them."""

    def __init__(self, chromium: str, driver: str, profile: Path) -> None:
        """Start it with an empty profile."""
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self._driver = webdriver.Chrome(options, webdriver.ChromeService(driver))
        axe = (resources.files("axe_core_python") / "axe.min.js").read_text("utf-8")
        self._command("Page.addScriptToEvaluateOnNewDocument", source=axe + STILL)
        self._command("Network.enable")
        self._command("Network.setCacheDisabled", cacheDisabled=True)  # what one page loads does not depend on another
        self._command("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
        self._command("Emulation.setFocusEmulationEnabled", enabled=True)  # without focus, there is no clipboard

    def _command(self, name: str, **arguments: object) -> dict[str, Any]:
        return dict(self._driver.execute_cdp_cmd(name, arguments))

    def open(self, url: str) -> None:
        """Open a page, and forget what an earlier one wrote to the console."""
        self.console()
        self._driver.get(url)

    def resize(self, width: int, scheme: str) -> None:
        """Give the window this width, and the system this color scheme."""
        self._command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self._command("Emulation.setDeviceMetricsOverride", **size)

    def run(self, script: str) -> Any:
        """Return the value of an expression or its promise. It may do what a click may do."""
        options = {"awaitPromise": True, "returnByValue": True, "userGesture": True}
        reply = self._command("Runtime.evaluate", expression=script, **options)
        assert "exceptionDetails" not in reply, reply
        return reply["result"].get("value")

    def console(self) -> list[str]:
        """Return what the pages wrote to the console since the last call."""
        entries: list[dict[str, str]] = self._driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [entry["message"] for entry in entries]

    def quit(self) -> None:
        """End it and its driver."""
        self._driver.quit()


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    # GitHub's runners have both browsers, and the driver of Chrome.
    chromium, driver = shutil.which("google-chrome") or shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.fail("Install Chromium and its driver. On Debian: apt-get install chromium chromium-driver")
    browser = Browser(chromium, driver, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.quit()
