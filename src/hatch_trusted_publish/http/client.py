"""Sends requests, with retries if they may help.

Rules:

- Every request has a deadline for all of it, from the name of the host to the end of the reply.
- Redirects are never followed: each request carries a token, or decides where one goes.
- No proxy is used for this machine, nor for plain http.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from functools import partial
from types import TracebackType
from typing import Final, Self
from urllib.request import getproxies, proxy_bypass

import httpx

from ..errors import Message, NetworkError, TrustedPublishError
from ..secret import Secret, redacted
from ..threads import later
from .attempt import Attempt
from .body import whole
from .certificates import Certificates
from .loopback import elsewhere, is_loopback
from .messages import Reply, Request
from .retries import LONGEST_WAIT, SMALL_REQUEST, Budget, Note, call, can_pass, retry_after

SLOWEST_UPLOAD: Final = 100_000
"""Bytes a second: a slower upload is given up, and tried again."""
RETRIES: Final = 60
"""For all failed tries of a run together: an index that is down does not get every file of a run."""


class Client:
    """The connections of one run, with the certificates of one index."""

    def __init__(self, certificates: Certificates, timeout: float, user_agent: str, note: Note | None = None) -> None:
        """
        Args:
            timeout: seconds for one small request; an upload gets more by its size.
            note: reports each retry; called by any thread.

        Raises:
            NetworkError: a certificate file or the proxy cannot be used.
        """
        self._timeout, self._note, self._trusted = timeout, note, certificates.trusted
        # What these log of replies, an index may have taken from a request.
        for name in ("httpcore", "httpx"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        headers = {"User-Agent": user_agent, "Accept-Encoding": "gzip"}
        pool = partial(httpx.Client, verify=certificates.context(), headers=headers, trust_env=False)
        try:
            self._proxy = _proxy()
            self._direct, self._proxied = pool(), pool(proxy=self._proxy)
        except (ImportError, ValueError, httpx.InvalidURL):
            # Without the variable's value, which may hold a password.
            raise NetworkError("unusable-proxy", was_sent=False, can_pass=False) from None
        self._budget = Budget(RETRIES)
        self._secrets = [Secret(self._proxy.auth[1])] if self._proxy and self._proxy.auth else []
        """The secrets that were sent to any server, which another may repeat."""
        self._ends = math.inf
        """When the last request must be over, by the monotonic clock, once the run is stopped."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hurry(0.0)  # a thread that was left behind sends nothing more
        self._direct.close()
        self._proxied.close()

    def hurry(self, seconds: float) -> None:
        """From now on send only requests that are `Request.last`, once and within *seconds*: the run ends."""
        self._ends = time.monotonic() + seconds
        self._budget.end()

    def send(self, request: Request, around: Callable[[], AbstractContextManager[None]] = nullcontext) -> Reply:
        """Send *request*, again where that may help, and return the last reply.

        Args:
            around: entered for each try; a try that went badly leaves it with an exception.

        Raises:
            DistributionError: the file to upload has changed.
            NetworkError: no try got a complete reply.
        """
        return self.send_made(lambda: request, request.tries, around, quiet=request.quiet)

    def send_made(
        self,
        make: Callable[[], Request],
        tries: int = SMALL_REQUEST,
        around: Callable[[], AbstractContextManager[None]] = nullcontext,
        *,
        quiet: bool = False,
    ) -> Reply:
        """As `send`, for what *make* returns, which is called for each try."""
        lost = False

        def once() -> Reply:
            nonlocal lost
            try:
                with around():
                    return self._try(make(), lost)
            except NetworkError as error:
                lost = error.was_sent
                raise

        try:
            return call(tries, self._again, once, None if quiet else self._note)
        except _Unwell as unwell:
            return unwell.reply

    def _again(self, error: Exception) -> bool | float:
        """Return whether *error* allows another try, or after how many seconds."""
        if not isinstance(error, NetworkError) or not error.can_pass or not self._budget.take():
            return False
        return True if error.wait is None else error.wait

    def _try(self, request: Request, lost: bool) -> Reply:
        if math.isfinite(self._ends) and not request.last:
            raise NetworkError("run-stopped", was_sent=lost, can_pass=False, purpose=request.purpose)
        self._secrets.extend(one for one in request.secrets if one not in self._secrets)
        size = 0 if request.upload is None else request.upload.length
        seconds = min(self._timeout + size / SLOWEST_UPLOAD, self._ends - time.monotonic())
        direct = request.is_plain or is_loopback(request.hostname) or proxy_bypass(request.hostname)
        attempt = Attempt(request, None if direct else self._proxy, max(0.0, seconds), lost)
        try:
            reply = later(partial(self._exchange, attempt)).result(attempt.seconds)
        except TimeoutError:
            raise attempt.give_up() from None
        if not can_pass(reply.status):
            self._budget.refill()
            return reply
        now = time.time()
        wait = retry_after(reply.retry_after, now)
        reason = attempt.happened("bad-status", status=reply.status)
        if wait is not None and wait > LONGEST_WAIT:
            until = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(round(now + wait)))
            raise NetworkError("retry-later", was_sent=lost, can_pass=False, reason=reason, until=until)
        raise _Unwell(reply, wait, reason)

    def _exchange(self, attempt: Attempt) -> Reply:
        """Make one try, in a thread of its own."""
        request = attempt.request
        try:
            if request.is_plain and (address := elsewhere(request.hostname)):
                raise attempt.failed("not-loopback", "other-machine", can_pass=False, address=address)
            # A reply may come before the whole body was sent: its file and threads must not be left to a collector.
            with (
                closing(attempt.body()) as body,
                (self._direct if attempt.proxy is None else self._proxied).stream(
                    "POST" if request.has_body else "GET",
                    request.url,
                    headers=request.headers(),
                    content=body if request.has_body else None,
                    # A large file takes the index its time after the upload, but not before.
                    timeout=httpx.Timeout(attempt.seconds, connect=min(self._timeout, attempt.seconds)),
                ) as response,
            ):
                headers = response.headers
                pieces = attempt.watched(response.iter_raw())
                return Reply(
                    response.status_code,
                    whole(pieces, headers.get("content-encoding", ""), request.largest_reply),
                    headers.get("content-type", "").partition(";")[0].strip().lower(),
                    response.reason_phrase,
                    redacted(headers.get("location", ""), self._secrets),
                    headers.get("retry-after", ""),
                    self._secrets,
                    attempt.after_lost,
                )
        # Whatever it is, its frames hold tokens: they must not come near a traceback.
        except TrustedPublishError as error:
            failure = error.with_traceback(None)
        except Exception as error:  # noqa: BLE001 - httpx lets out whatever ssl, idna and h11 raise
            failure = attempt.failure(error, self._trusted, self._secrets)
        raise failure


class _Unwell(NetworkError):
    """A reply that may be another one the next time."""

    def __init__(self, reply: Reply, wait: float | None, reason: Message) -> None:
        super().__init__("bad-status", was_sent=reply.after_lost, can_pass=True, reason=reason)
        self.reply, self.wait = reply, wait


def _proxy() -> httpx.Proxy | None:
    named = getproxies()
    url = named.get("https") or named.get("all")
    return httpx.Proxy(url if "://" in url else f"http://{url}") if url else None
