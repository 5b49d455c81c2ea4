"""Sends what `protocol` describes. The only importer of httpx.

Rules:

- Every request has a deadline for all of it: a server that sends a byte a second satisfies any
  time-out for one read.
- Redirects are never followed: each request carries a token, or decides where one goes.
- Nothing of a request gets into an error: it holds tokens.
"""

from __future__ import annotations

import logging
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx

from ..errors import NetworkError, TrustedPublishError, clean
from ..secret import Secret
from .body import PACKED, whole
from .deadline import Deadlined, deadline
from .messages import Reply, Request
from .retries import SMALL_REQUEST, call

SLOWEST_UPLOAD: Final = 100_000
"""Bytes a second: an upload that is slower is given up, and tried again."""
RETRIES: Final = 60
"""Of all requests of a run together; PyPI's own faults take one in a hundred uploads (docs/explanation/design.md)."""
LONGEST_WAIT: Final = 120.0
"""Seconds of ``Retry-After`` that are waited; for longer, no job should stand idle."""
_A_YEAR: Final = 365 * 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class Certificates:
    """Paths of certificate files."""

    ca_cert: str | None = None
    client_cert: str | None = None
    client_key: str | None = None


class Client:
    """One connection pool, with the certificates of one index."""

    def __init__(self, certificates: Certificates, timeout: float, user_agent: str) -> None:
        """
        Args:
            timeout: seconds for one small request; an upload gets more by its size.

        Raises:
            NetworkError: a certificate file or the proxy cannot be used.
        """
        self._timeout = timeout
        # What these log of replies, an index may have taken from a request.
        for name in ("httpcore", "httpx"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        context = _ssl_context(certificates)
        try:
            transport = httpx.Client(
                verify=context,
                headers={"User-Agent": user_agent, "Accept-Encoding": "gzip"},
                timeout=timeout,
                follow_redirects=False,
            )
        except (ImportError, ValueError, httpx.InvalidURL):
            # Not said which: the variable may hold a password.
            msg = (
                "The proxy that HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names cannot be used. It has to be a URL that begins with "
                "http:// or https://, or with socks5:// where the package `socksio` is installed. Nothing was sent."
            )
            raise NetworkError(msg) from None
        for mounted in (transport._transport, *filter(None, transport._mounts.values())):  # noqa: SLF001
            # httpx has no place to hand over a network backend, and no total deadline.
            pool = mounted._pool  # type: ignore[attr-defined]  # noqa: SLF001
            pool._network_backend = Deadlined(pool._network_backend)  # noqa: SLF001
        self._http = transport
        self._retries_left = RETRIES
        self._last_words: int | None = None
        self._end = float("inf")
        """When no request may be under way any more, by the monotonic clock."""
        self._sent: set[Secret] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hurry(0.0)  # a thread that is left behind has nothing to say any more
        self._http.close()

    def hurry(self, seconds: float) -> None:
        """Give all that this thread sends from now on *seconds*, and one try; the others send nothing more: the run ends."""
        self._end, self._retries_left = time.monotonic() + seconds, 0
        self._last_words = threading.get_ident()

    def send(self, request: Request, around: Callable[[], AbstractContextManager[None]] = nullcontext) -> Reply:
        """Send *request*, again where that may help, and return the last reply.

        Args:
            around: is entered for each try; a try that went badly leaves it by an exception.

        Raises:
            NetworkError: no try got a whole reply.
        """
        return self.send_made(lambda: request, request.tries, around)

    def send_made(
        self,
        make: Callable[[], Request],
        tries: int = SMALL_REQUEST,
        around: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> Reply:
        """As `send`, with a request that is made anew for each try.

        Raises:
            NetworkError: no try got a whole reply.
        """
        lost = False

        def once() -> Reply:
            nonlocal lost
            try:
                with around():
                    return self._try(make())
            except NetworkError as error:
                # A later try that finds nobody does not bring back the reply to this one.
                lost = error.was_sent = error.was_sent or lost
                raise

        try:
            reply = call(tries, self._again, once)
        except _Unwell as unwell:
            reply = unwell.reply
        return replace(reply, after_lost=lost)

    def _again(self, error: Exception) -> bool | float:
        """Whether *error* is worth another try, or after how many seconds."""
        worth: bool | float = False
        if isinstance(error, _Unwell):
            worth = True if error.wait is None else error.wait
        elif isinstance(error, NetworkError):
            worth = error.can_pass
        if worth is not False:
            self._retries_left -= 1  # of the whole run: an index that is down is not asked for ever
        return worth if self._retries_left >= 0 else False

    def _try(self, request: Request) -> Reply:
        reply, retry_after = self._exchange(request)
        if reply.status not in {408, 429} and reply.status < 500:
            return reply
        now = time.time()
        wait = _seconds(retry_after, now)
        if wait is not None and wait > LONGEST_WAIT:
            until = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(round(now + wait)))
            failure = NetworkError(
                f"While {request.purpose}: the index answered {reply.status} and asks to wait until {until}. Run the same "
                "command again after that; what is on the index by now is not sent again."
            )
            failure.was_sent = False
            raise failure
        raise _Unwell(request, reply, wait)

    def _exchange(self, request: Request) -> tuple[Reply, str]:
        """One try: the reply, and its Retry-After."""
        if self._last_words not in {None, threading.get_ident()}:
            stopped = NetworkError(f"While {request.purpose}: the run was stopped.")
            stopped.was_sent = False
            raise stopped
        upload = request.upload
        size = 0 if upload is None else upload.length
        # An index may repeat in a reply what it was told in another request.
        self._sent.update(request.secrets)
        now = time.monotonic()
        seconds = max(0.0, min(self._timeout + size / SLOWEST_UPLOAD, self._end - now))
        deadline.at = now + seconds
        # An index may take longer over a large file than over a small question; not to be reached.
        timeout = httpx.Timeout(seconds, connect=self._timeout)
        try:
            with ExitStack() as body, self._http.stream(**_arguments(request, body), timeout=timeout) as response:
                reply = Reply(
                    response.status_code,
                    # Small, since httpx hands on what has come as one.
                    whole(response.iter_raw(PACKED), response.headers.get("content-encoding", ""), request),
                    response.headers.get("content-type", "").partition(";")[0].strip().lower(),
                    response.reason_phrase,
                    response.headers.get("location", ""),
                    (*self._sent, *(Secret(_credentials(one)) for one in request.secrets)),
                )
                return reply, response.headers.get("retry-after", "")
        # Whatever it is, its frames hold tokens: they must not come near a traceback.
        except TrustedPublishError as error:
            failure = error.with_traceback(None)
        except Exception as error:  # noqa: BLE001
            failure = _failure(error, request)
        raise failure


def _arguments(request: Request, body: ExitStack) -> dict[str, Any]:
    headers = {"Accept": request.accept, "Cache-Control": "no-cache"}  # a list of files from before is no answer
    if request.upload is not None:
        upload = request.upload
        headers |= {
            "Authorization": f"Basic {_credentials(upload.token)}",
            "Content-Type": f"multipart/form-data; boundary={upload.boundary}",
            "Content-Length": str(upload.length),
        }
        # A reply may come before the last of it was sent: its file and threads must not be left to a collector.
        chunks = body.enter_context(closing(upload.chunks()))
        return {"method": "POST", "url": request.url, "headers": headers, "content": chunks}
    if request.secret_json is not None:
        revealed = {key: value.reveal() for key, value in request.secret_json.items()}
        return {"method": "POST", "url": request.url, "headers": headers, "json": revealed}
    if request.bearer is not None:
        headers["Authorization"] = f"Bearer {request.bearer.reveal()}"
    if request.basic is not None:
        headers["Authorization"] = f"Basic {_credentials(request.basic)}"
    return {"method": "GET", "url": request.url, "headers": headers}


def _credentials(token: Secret) -> str:
    return b64encode(f"__token__:{token.reveal()}".encode()).decode()


def _failure(error: Exception, request: Request) -> NetworkError:
    problem = _problem(error)
    what = f"While {request.purpose}: {problem}"
    failure = NetworkError(
        f"{what}. The network, a proxy or the index may be at fault. Run the same command again; what is on the index by "
        "now is not sent again."
    )
    failure.what = what
    failure.was_sent = not isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError))
    failure.can_pass = "certificate" not in problem
    return failure


class _Unwell(Exception):
    """A reply that may be another one the next time."""

    def __init__(self, request: Request, reply: Reply, wait: float | None) -> None:
        self.reply = reply
        self.wait = wait
        super().__init__(f"While {request.purpose}: the index answered {reply.status}")


def _seconds(retry_after: str, now: float) -> float | None:
    """What Retry-After asks for, in seconds (RFC 9110, 10.2.3); ``None`` if it says nothing."""
    seconds: float
    try:
        seconds = int(retry_after)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(retry_after).timestamp() - now
        except (ValueError, OverflowError):
            return None
    return float(min(max(0, seconds), _A_YEAR))


def _problem(error: Exception) -> str:
    """What went wrong, in words."""
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return (
            f"the certificate of the index is not trusted ({clean(error, 160)}); if it is signed by an authority of your "
            "own, name that by `--ca-cert`"
        )
    if isinstance(error, httpx.TimeoutException):
        return "no whole reply came in time"
    if isinstance(error, (httpx.ConnectError, httpx.ProxyError)):
        return f"no connection could be made ({clean(error, 160)})"
    # Only the system's own words are shown: of a malformed header, httpx shows the header.
    return (
        f"the connection broke ({clean(error, 160) if isinstance(error, httpx.NetworkError) else type(error).__name__})"
    )


def _ssl_context(certificates: Certificates) -> ssl.SSLContext:
    try:
        if certificates.ca_cert is None:
            context = httpx.create_ssl_context()
        else:
            where = "capath" if Path(certificates.ca_cert).is_dir() else "cafile"
            context = ssl.create_default_context(**{where: certificates.ca_cert})  # type: ignore[arg-type]
        if certificates.client_cert is not None:
            # Without a password given, OpenSSL would ask for one on the terminal.
            context.load_cert_chain(certificates.client_cert, certificates.client_key, password="")  # nosec B106 # none
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(filter(None, (certificates.ca_cert, certificates.client_cert, certificates.client_key)))
        msg = f"A certificate file cannot be used ({clean(files)}): {clean(error.strerror or error)}. Nothing was sent."
        raise NetworkError(msg) from error
    return context
