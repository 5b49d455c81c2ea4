"""Hatch's publisher. The only module that knows Hatch: its flags in, its output and exit code out."""

from __future__ import annotations

import gc
import os
import platform
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from hatch.publish.plugin.interface import PublisherInterface

from .errors import Interrupted, RehearsalError, TrustedPublishError, clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .artifacts.distribution import Distribution
    from .identity.ambient import Ambient
    from .index.endpoints import Index
    from .index.repository import Repository
    from .output.console import Console
    from .output.log import RunLog
    from .output.records import Records
    from .settings.options import Flags, Settings
    from .upload.outcome import Run


class TrustedPublisher(PublisherInterface):
    """``hatch publish -p trusted``."""

    PLUGIN_NAME = "trusted"

    def publish(self, artifacts: list[str], options: dict[str, Any]) -> None:
        """What Hatch calls.

        Args:
            artifacts: files and folders, as they were typed.
            options: the pairs of ``-o``, and what Hatch adds to them.
        """
        # Here and not above: no other command of Hatch should pay for these.
        from .output.console import Console
        from .threads import interrupt

        for number in (signal.SIGINT, signal.SIGTERM):  # a CI that cancels a job sends the latter first
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, interrupt)
        # What is there by now stays to the end: the collections of the run, and the interpreter's own at its end,
        # need not look at it again and again.
        gc.freeze()
        context = click.get_current_context(silent=True)
        interactive = None if context is None else context.find_root().params.get("interactive")
        console = Console(self.app, os.environ, interactive=interactive is not False)
        try:
            self._publish(artifacts, options, console)
        except TrustedPublishError as error:
            console.critical(str(error))
            self.app.abort()  # with the text, -qqq would silence it
        finally:
            gc.freeze()

    def _publish(self, artifacts: list[str], options: dict[str, Any], console: Console) -> None:
        from .http.retries import announce
        from .output.log import RunLog
        from .output.records import CUT_SHORT, Records
        from .settings.options import parse
        from .upload.outcome import Run

        settings = parse(options, _flags(options), self.project_config, self.plugin_config)
        done = Run()
        records = Records(settings, Path(self.root), done, console.warn, os.environ)
        log = RunLog(console, settings, done, records.keep)
        announce(log.say)
        error: str | None = CUT_SHORT
        try:
            self._release(artifacts, settings, log, done, records)
            error = None
        except TrustedPublishError as failure:
            error = str(failure)
            raise log.in_context(failure) from failure
        except KeyboardInterrupt:
            stopped = Interrupted("Stopped from outside. Run the same command again to finish; nothing is sent twice.")
            error = str(stopped)
            raise log.in_context(stopped) from None
        finally:
            # A terminal that is gone must not cost the records.
            records.finish(error)
            log.close()

    def _release(self, artifacts: list[str], settings: Settings, log: RunLog, done: Run, records: Records) -> None:
        # httpx would import its command line, since what that needs is at hand beside Hatch.
        sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
        from .artifacts.distribution import find
        from .http.client import Client
        from .identity.ambient import detect, variables
        from .identity.token_cache import problem
        from .release import read, release
        from .upload.plan import destination
        from .versions.project import Project, read_project, untracked_files

        root = Path(self.root)
        # Git, and whatever it starts, needs no identity.
        with _environ(dict.fromkeys(variables(os.environ, settings.identity_variable))):
            distributions, problems = read(find(artifacts, root), untracked_files(root))
            project = read_project(root) if settings.check_version and not settings.several else Project()
        repository = destination(settings, distributions)
        problems += records.problems()
        tokens = None
        if settings.keep_token and repository.name != "rehearsal":
            tokens = Path(self.cache_dir).resolve() / "tokens"
            problems += filter(None, [problem(tokens, root)])
        if project.unknown is not None:
            log.say(f"The files' version is not compared with the project's: {project.unknown}.")
        with (
            _place(settings, repository, distributions, root, log.say) as index,
            Client(repository.certificates, settings.timeout, _user_agent()) as client,
        ):

            def ambient() -> Ambient:  # no partial: one shows the environment, where a traceback has its variables
                variable = None if index.name == "rehearsal" else settings.identity_variable
                return detect(os.environ, variable, settings.timeout)

            release(settings, index, distributions, project, ambient, client, log, done, problems, tokens)
            log.finished()


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


def _user_agent() -> str:
    versions = {name: version(name) for name in ("hatch-trusted-publish", "hatch", "httpx")}
    versions[platform.python_implementation()] = platform.python_version()
    return " ".join(f"{'Hatch' if name == 'hatch' else name}/{number}" for name, number in versions.items())


@contextmanager
def _place(
    settings: Settings,
    repository: Repository,
    distributions: Sequence[Distribution],
    root: Path,
    say: Callable[[str], None],
) -> Iterator[Index]:
    """The index of the run; a rehearsal's is started for it, and so is the CI that it plays."""
    from .index.endpoints import find_index, rehearsal_index

    if repository.name != "rehearsal":
        yield find_index(repository)
        return
    try:
        from . import rehearsal
    except ImportError as error:
        msg = (
            f"A rehearsal needs what the extra `rehearsal` brings ({clean(error.name or error)} is missing). Install it where Hatch is: "
            "`pip install 'hatch-trusted-publish[rehearsal]'`, or `pipx inject hatch 'hatch-trusted-publish[rehearsal]'`."
        )
        raise RehearsalError(msg) from error
    releases = dict.fromkeys((one.name, str(one.version)) for one in distributions)
    with rehearsal.hold(settings.rehearse_as, root, [name for name, _ in releases]) as held, _environ(held.environ):
        yield rehearsal_index(held.upload_url, held.simple_url, held.audience, held.trust_config)
        if settings.dry_run == "no":
            for name, number in releases:
                say(rehearsal.install(held, name, number))


@contextmanager
def _environ(changes: Mapping[str, str | None]) -> Iterator[None]:
    """Another environment, for a time: `id` and git's callers read the process's own."""
    before = dict(os.environ)
    os.environ.update({name: value for name, value in changes.items() if value is not None})
    for name in changes.keys() - {name for name, value in changes.items() if value is not None}:
        os.environ.pop(name, None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
