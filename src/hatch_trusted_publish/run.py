"""One run of the publisher: everything around the release, whatever becomes of it."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path

from . import process
from .artifacts.distribution import Distribution, find, read_all
from .errors import Interrupted, Message, SettingsError, TrustedPublishError
from .http.certificates import Certificates
from .http.client import Client
from .identity.ambient import Ambient, detect, variables
from .identity.token_cache import problem
from .index.endpoints import Index, Repository, find_index, rehearsal_index
from .output.console import Console
from .output.log import RunLog
from .output.records import Records
from .output.report import standing
from .release import release
from .settings.options import Settings
from .upload.job import Job
from .upload.outcome import Run
from .upload.plan import destination
from .versions.project import Project, read_project, untracked_files


def publish(settings: Settings, artifacts: Sequence[str], root: Path, cache: Path, console: Console) -> None:
    """Publish *artifacts* of the project in *root*.

    Args:
        artifacts: files and directories, as they were typed.
        cache: the directory that Hatch gives to a publisher.

    Raises:
        TrustedPublishError: not every file is on the index. Its notes say what is.
    """
    with _recorded(settings, root, console) as (run, records, log):
        # Git, and whatever it starts, needs no identity.
        with process.environ(dict.fromkeys(variables(os.environ, settings.identity_variable))):
            distributions, refused = read_all(find(artifacts, root), untracked_files(root))
            project = read_project(root) if settings.check_version and not settings.several else Project()
        repository = destination(settings, distributions)
        problems = [*refused, *records.problems()]
        tokens = None
        if settings.keep_token and repository.name != "rehearsal":
            tokens = cache.resolve() / "tokens"
            problems += filter(None, [problem(tokens, root)])
        if project.unknown is not None:
            log.note(Message("version-not-compared", reason=project.unknown))
        with (
            _place(settings, repository, distributions, root, log) as index,
            Client(repository.certificates, settings.timeout, _user_agent(), log.note) as client,
            # The certificates of an index do not apply to the CI's own service.
            nullcontext(client)
            if repository.certificates == Certificates()
            else Client(Certificates(), settings.timeout, _user_agent(), log.note) as client_of_ci,
        ):

            def ambient() -> Ambient:  # no partial: one shows the environment, where a traceback has its variables
                variable = None if index.name == "rehearsal" else settings.identity_variable
                return detect(os.environ, variable, client_of_ci, settings.timeout)

            release(Job(settings, index, client, log, run, root), distributions, project, ambient, problems, tokens)
            log.finished()


@contextmanager
def _recorded(settings: Settings, root: Path, console: Console) -> Iterator[tuple[Run, Records, RunLog]]:
    """Record a run, and write its records at the end, however it ends."""
    run = Run()
    records = Records(settings, root, run, os.environ)
    log = RunLog(console, settings, run, records)
    ended: TrustedPublishError | Message | None = Message("cut-short")
    try:
        yield run, records, log
        ended = None
    except TrustedPublishError as error:
        ended = error
        raise
    except KeyboardInterrupt:
        ended = Interrupted("interrupted")
        raise ended from None
    finally:
        log.close()
        for failed in records.finish(None if ended is None else str(ended)):
            log.warn(failed)
        if isinstance(ended, TrustedPublishError):
            for message in standing(run):
                ended.add_note(str(message))


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
