"""Hatch's publisher. The only module that knows Hatch: its flags in, its output and exit code out."""

from __future__ import annotations

import gc
import json
import os
import platform
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from hatch.publish.plugin.interface import PublisherInterface

from .errors import Interrupted, RehearsalError, TrustedPublishError, clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .distribution import Distribution
    from .identity import Ambient
    from .index import Index
    from .outcome import Outcome, Release
    from .plan import Plan
    from .secret import Secret
    from .settings import Flags, Repository, Settings

_CUT_SHORT: Final = "the run did not come to its end"
"""The error in a report until the run has ended: one that is killed cannot write another."""


class TrustedPublisher(PublisherInterface):
    """``hatch publish -p trusted``."""

    PLUGIN_NAME = "trusted"

    def publish(self, artifacts: list[str], options: dict[str, Any]) -> None:
        """What Hatch calls.

        Args:
            artifacts: files and folders, as they were typed.
            options: the pairs of ``-o``, and what Hatch adds to them.
        """
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # a CI that cancels a job sends this first
        # What is there by now stays to the end: the collections of the run, and the interpreter's own at its end,
        # need not look at it again and again.
        gc.freeze()
        try:
            self._publish(artifacts, options)
        except TrustedPublishError as error:
            # `abort` would print it as what -qqq silences.
            self.app.display_critical(str(error))
            self.app.abort()
        finally:
            gc.freeze()

    def _publish(self, artifacts: list[str], options: dict[str, Any]) -> None:
        # Here and not above: no other command of Hatch should pay for these. httpx would import its command line,
        # since what that needs is at hand beside Hatch.
        sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
        from .client import Client
        from .distribution import find
        from .flow import read, release
        from .identity import detect, variables
        from .kept import problem
        from .outcome import Release
        from .plan import Project, destination
        from .project import read_project, untracked_files
        from .retries import announce
        from .settings import parse

        settings = parse(options, _flags(options), self.project_config, self.plugin_config)
        root = Path(self.root)
        report = None if settings.report is None else root / settings.report
        done = Release()
        log = _Log(self.app, settings, report, done)
        announce(log.say)
        # Git, and whatever it starts, needs no identity.
        with _environ(dict.fromkeys(variables(os.environ, settings.identity_variable))):
            distributions, problems = read(find(artifacts, root), untracked_files(root))
            project = read_project(root) if settings.check_version and not settings.several else Project()
        repository = destination(settings, distributions)
        problems += _report_problems(report)
        tokens = None
        if settings.keep_token and repository.name != "rehearsal":
            tokens = Path(self.cache_dir).resolve() / "tokens"
            problems += filter(None, [problem(tokens, root)])
        if project.unknown is not None:
            log.say(f"The files' version is not compared with the project's: {project.unknown}.")
        error: str | None = _CUT_SHORT
        try:
            with (
                _place(settings, repository, distributions, root, log) as index,
                Client(repository, settings.timeout, _user_agent()) as client,
            ):

                def ambient() -> Ambient:  # no partial: one shows the environment, where a traceback has its variables
                    variable = None if index.name == "rehearsal" else settings.identity_variable
                    return detect(os.environ, variable, settings.timeout)

                release(settings, index, distributions, project, ambient, client, log, done, problems, tokens)
                log.finished()
            error = None
        except TrustedPublishError as failure:
            error = str(failure)
            raise log.in_context(failure) from failure
        except KeyboardInterrupt:
            stopped = Interrupted("Stopped from outside. Run the same command again to finish; nothing is sent twice.")
            error = str(stopped)
            raise log.in_context(stopped) from None
        finally:
            log.write_report(error)


class _Log:
    """A run, told through Hatch's terminal: to standard error, as its own publisher does."""

    def __init__(self, app: Any, settings: Settings, report: Path | None, done: Release) -> None:
        self._app, self._settings, self._report, self._done = app, settings, report, done
        # Looked at before a rehearsal plays a CI: only the real one understands a mask command.
        self._masks = os.environ.get("GITHUB_ACTIONS") == "true"
        # Hatch's terminal turns its console from one stream to the other and back.
        self._lock = threading.RLock()

    def planned(self, plan: Plan) -> None:
        from .report import planned_line

        self.write_report(_CUT_SHORT)
        for warning in plan.warnings:
            self.warn(warning)
        for name, version_ in plan.releases:
            self.say(f"{name} {version_} → {plan.index.name} ({plan.index.upload_url})")
        for item in plan.items:
            if item.action != "upload" or self._settings.dry_run != "no":
                self.say(planned_line(item))
        if self._settings.publisher is not None and plan.index.name == "rehearsal":
            self.say("The table `publisher` is not compared: a rehearsal plays a publisher of its own.")
        if self._settings.dry_run == "mint":
            self.say("Asking for an upload token, to burn it: a pending publisher's project is created by that.")

    def end(self, outcome: Outcome) -> None:
        from .report import word

        good = outcome.result in {"uploaded", "there"}
        show = self._app.display_success if good else self._app.display_error
        with self._lock:
            show(f"{outcome.distribution.shown} ... {word(outcome)}")
        self.write_report(_CUT_SHORT)

    def say(self, text: str) -> None:
        with self._lock:
            self._app.display_info(text)

    def warn(self, text: str) -> None:
        with self._lock:
            self._app.display_warning(text)

    def mask(self, secret: Secret) -> None:
        """GitHub's command that keeps a value out of the job's log, before anything can print it."""
        if self._masks:
            with self._lock:
                sys.stdout.write(f"::add-mask::{secret.reveal()}\n")
                sys.stdout.flush()

    def finished(self) -> None:
        """Say how it ended, and where that can be looked at."""
        from .report import release_urls

        plan = self._done.plan
        if plan is None or self._settings.dry_run == "yes":
            self.say("A dry run: nothing was uploaded.")
            return
        if self._settings.dry_run == "mint":
            self.say("The index took the identity of this job. A dry run: nothing was uploaded.")
            return
        if not plan.uploads:
            self.say("Nothing was left to upload.")
        for url in release_urls(plan):
            self._app.display_success(url)

    def in_context(self, failure: TrustedPublishError) -> TrustedPublishError:
        """The failure, with what is on the index and what is not once something was sent there."""
        from .report import standing

        if not self._done.results:
            return failure
        apart = "\n\n" if "\n\n" in str(failure) else "\n"
        return type(failure)(f"{failure}{apart}{standing(self._done)}")

    def write_report(self, error: str | None) -> None:
        """Write the report as it stands now: whole or not at all."""
        from .report import as_json

        if self._report is None or self._done.plan is None:
            return
        content = as_json(self._done, error, dry_run=self._settings.dry_run != "no")
        beside = _beside(self._report)
        try:
            beside.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
            beside.replace(self._report)
        except OSError as problem:
            # What is on the index counts; and it is told once.
            self.warn(f"The report could not be written to {clean(self._report)}: {clean(problem.strerror)}.")
            self._report = None


def _flags(options: Mapping[str, Any]) -> Flags:
    """Hatch's own flags and variables, which it does not hand to a plugin."""
    from .settings import Flags

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


def _report_problems(report: Path | None) -> list[str]:
    """Why the report cannot be written, tried before anything is sent."""
    if report is None:
        return []
    problem = ""
    if report.is_dir():
        problem = "it is a folder"
    else:
        try:
            _beside(report).touch()
            _beside(report).unlink()
        except OSError as error:
            problem = clean(error.strerror)
    way_out = "name a file in a folder that is there by `report`"
    return [f"the report cannot be written to {clean(report)}: {problem}; {way_out}"] if problem else []


def _beside(report: Path) -> Path:
    """Where the report is written before it takes its place whole."""
    return report.with_name(f".{report.name}.{os.getpid()}")


@contextmanager
def _place(
    settings: Settings, repository: Repository, distributions: Sequence[Distribution], root: Path, log: _Log
) -> Iterator[Index]:
    """The index of the run; a rehearsal's is started for it, and so is the CI that it plays."""
    from .index import find_index, rehearsal_index

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
                log.say(rehearsal.install(held, name, number))


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
