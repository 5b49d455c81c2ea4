"""Hatch's publisher, the only module that knows Hatch: its flags in, its output and exit code out."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from hatch.publish.plugin.interface import PublisherInterface

from . import process
from .errors import Interrupted, Message, SettingsError, TrustedPublishError

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
            self._publish(artifacts, options, console)
        except TrustedPublishError as error:
            console.critical("\n".join([str(error), *getattr(error, "__notes__", ())]))
            self.app.abort()  # with the text, -qqq would silence it

    def _publish(self, artifacts: list[str], options: dict[str, Any], console: Console) -> None:
        from .output.log import RunLog
        from .output.records import Records
        from .output.report import standing
        from .settings.options import parse
        from .upload.outcome import Run

        settings = parse(options, _flags(options), self.project_config, self.plugin_config)
        run = Run()
        records = Records(settings, Path(self.root), run, os.environ)
        log = RunLog(console, settings, run, records)
        ended: TrustedPublishError | Message | None = Message("cut-short")
        try:
            self._release(artifacts, settings, log, run, records)
            ended = None
        except TrustedPublishError as error:
            ended = error
            raise
        except KeyboardInterrupt:
            ended = Interrupted("interrupted")
            raise ended from None
        finally:
            log.close()
            for problem in records.finish(None if ended is None else str(ended)):
                log.warn(problem)
            if isinstance(ended, TrustedPublishError):
                for message in standing(run):
                    ended.add_note(str(message))

    def _release(self, artifacts: list[str], settings: Settings, log: RunLog, run: Run, records: Records) -> None:
        from .artifacts.distribution import find
        from .http.certificates import Certificates
        from .http.client import Client
        from .identity.ambient import detect, variables
        from .identity.token_cache import problem
        from .release import read, release
        from .upload.job import Job
        from .upload.plan import destination
        from .versions.project import Project, read_project, untracked_files

        root = Path(self.root)
        # Git, and whatever it starts, needs no identity.
        with process.environ(dict.fromkeys(variables(os.environ, settings.identity_variable))):
            distributions, refused = read(find(artifacts, root), untracked_files(root))
            project = read_project(root) if settings.check_version and not settings.several else Project()
        repository = destination(settings, distributions)
        problems = [*refused, *records.problems()]
        tokens = None
        if settings.keep_token and repository.name != "rehearsal":
            tokens = Path(self.cache_dir).resolve() / "tokens"
            problems += filter(None, [problem(tokens, root)])
        if project.unknown is not None:
            log.note(Message("version-not-compared", reason=project.unknown))
        with (
            _place(settings, repository, distributions, root, log) as index,
            Client(repository.certificates, settings.timeout, _user_agent(), log.note) as client,
            # The CI's own service is asked without the certificates of an index.
            nullcontext(client)
            if repository.certificates == Certificates()
            else Client(Certificates(), settings.timeout, _user_agent(), log.note) as client_of_ci,
        ):

            def ambient() -> Ambient:  # no partial: one shows the environment, where a traceback has its variables
                variable = None if index.name == "rehearsal" else settings.identity_variable
                return detect(os.environ, variable, client_of_ci, settings.timeout)

            release(Job(settings, index, client, log, run, root), distributions, project, ambient, problems, tokens)
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
    log: RunLog,
) -> Iterator[Index]:
    """Find the index of the run. For a rehearsal, one is started, and so is the CI that it plays."""
    from .index.endpoints import find_index, rehearsal_index

    if repository.name != "rehearsal":
        yield find_index(repository)
        return
    try:
        from . import rehearsal
    except ImportError as error:
        raise SettingsError("extra-missing", extra="rehearsal", missing=error.name or error) from error
    releases = dict.fromkeys((one.name, str(one.version)) for one in distributions)
    configured = os.environ.keys() & {settings.identity_variable or ""}
    with (
        rehearsal.hold(settings.rehearse_as, root, [name for name, _ in releases]) as held,
        process.environ(held.environ),
    ):
        if real := sorted({*held.identities, *configured}):
            log.warn(Message("rehearsal-with-identity", variables=real))
        yield rehearsal_index(held.upload_url, held.simple_url, held.audience, held.trust_config)
        if settings.dry_run == "no":
            for name, number in releases:
                log.note(rehearsal.install(held, name, number))
            log.note(Message("rehearsal-passed", releases=[" ".join(one) for one in releases]))
