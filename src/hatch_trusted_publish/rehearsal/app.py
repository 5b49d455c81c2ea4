"""The embedded index, and the CI's token endpoint, as one ASGI application."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

# Starlette looks for this at the first form only; without it, the extra is not installed.
import python_multipart  # noqa: F401
from packaging.utils import canonicalize_name
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import simple
from .answers import moved
from .authority import CERTIFY, LOG, Authority
from .minting import Trusted, mint, payload
from .provider import Ci
from .store import File, Store
from .uploading import Sent, upload

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_LARGEST_FIELD: Final = 64 * 1024 * 1024
_MOST_FIELDS: Final = 100_000
_BROKEN: Final = """\
<html>
  <head>
    <title>Internal Server Error</title>
  </head>
  <body>
    <h1><p>Internal Server Error</p></h1>
  </body>
</html>
"""
_NOT_FOUND: Final = "<!DOCTYPE html>\n<title>Page Not Found (404) · Rehearsal</title>\n"


def _route(path: str, handler: Handler, method: str, *more: str) -> Route:
    """Return a route that refuses other methods in PyPI's words. Starlette would allow HEAD."""

    async def endpoint(request: Request) -> Response:
        if request.method in (method, *more):
            return await handler(request)
        return PlainTextResponse(
            f"405 Method Not Allowed\n\nThe method {request.method} is not allowed for this resource. \n\n\n",
            405,
            {"allow": method},
        )

    return Route(path, endpoint, methods=list(_METHODS))


async def _not_found(request: Request, _error: Exception) -> Response:
    """Answer in HTML, except in the simple API."""
    if request.url.path.startswith("/simple/") and simple.JSON in request.headers.get("accept", ""):
        return PlainTextResponse("404 Not Found", 404)
    return HTMLResponse(_NOT_FOUND, 404)


class _Index:
    """The handlers of the index."""

    def __init__(self, store: Store, trusted: Trusted) -> None:
        self._store = store
        self._trusted = trusted

    def routes(self) -> list[Route]:
        """Return the routes of the index."""
        return [
            _route("/_/oidc/audience", self._audience, "GET"),
            _route("/_/oidc/mint-token", self._mint, "POST"),
            _route("/_/oidc/github/mint-token", self._mint, "POST"),
            _route("/_/oidc/burn-token", self._burn, "POST"),
            _route("/legacy/", self._upload, "POST", "GET"),
            _route("/legacy", self._moved, "POST"),
            _route("/simple/", self._projects, "GET", "HEAD"),
            _route("/simple/{name}", self._normalized, "GET", "HEAD"),
            _route("/simple/{name}/", self._project, "GET", "HEAD"),
            _route("/packages/{a}/{b}/{c}/{filename}", self._download, "GET", "HEAD"),
            _route("/integrity/{name}/{version}/{filename}/provenance", self._provenance, "GET"),
        ]

    async def _audience(self, _request: Request) -> Response:
        if not self._store.switches.trusted_publishing:
            return JSONResponse({"message": "Trusted publishing functionality not enabled"}, 403)
        return JSONResponse({"audience": self._store.audience})

    async def _mint(self, request: Request) -> Response:
        status, body = mint(self._store, self._trusted, await request.body())
        return HTMLResponse(_BROKEN, status) if body is None else JSONResponse(body, status)

    async def _burn(self, request: Request) -> Response:
        if isinstance(token := payload(await request.body()), str):
            self._store.burn(token)
        return Response(status_code=202)

    async def _upload(self, request: Request) -> Response:
        if request.method == "GET":
            return HTMLResponse("<!DOCTYPE html>\n<title>Upload API</title>\n")
        async with request.form(max_fields=_MOST_FIELDS, max_part_size=_LARGEST_FIELD) as form:
            fields = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
            content = form.get("content")
            sent = None
            if isinstance(content, UploadFile):
                sent = Sent(content.filename or "", content.content_type, content.file)
            answer = upload(self._store, request.headers.get("authorization"), fields, sent)
        media_type, body = answer.rendered(request.headers.get("accept"))
        return Response(body, answer.status, media_type=media_type)

    async def _moved(self, request: Request) -> Response:
        location = f"{_base(request)}/legacy/"
        return Response(moved("/legacy/"), 308, {"location": location}, "application/json")

    async def _projects(self, request: Request) -> Response:
        names = [project.name for project in self._store.projects.values()]
        return _simple(request, simple.projects(names))

    async def _normalized(self, request: Request) -> Response:
        name = canonicalize_name(request.path_params["name"])
        return RedirectResponse(f"{_base(request)}/simple/{name}/", 301)

    async def _project(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name != canonicalize_name(name):
            return await self._normalized(request)
        if (project := self._store.projects.get(name)) is None:
            return await _not_found(request, KeyError(name))
        return _simple(request, simple.project(project, _base(request)))

    async def _download(self, request: Request) -> Response:
        wanted = request.url.path
        for file in self._store.files():
            if (path := simple.path(file)) == wanted:
                return FileResponse(self._store.path(file), media_type="application/octet-stream")
            if file.metadata is not None and f"{path}.metadata" == wanted:
                return Response(file.metadata, media_type="application/octet-stream")
        return await _not_found(request, KeyError(wanted))

    async def _provenance(self, request: Request) -> Response:
        for name, project in self._store.projects.items():
            for file in project.files.values():
                if simple.provenance_path(name, file) == request.url.path:
                    return _provenance_of(file)
        return await _not_found(request, KeyError(request.url.path))


def _provenance_of(file: File) -> Response:
    if file.publisher is None or not file.attestations:
        return JSONResponse({"message": f"No provenance available for {file.filename}"}, 404)
    bundle = {"publisher": file.publisher.described(), "attestations": list(file.attestations)}
    return JSONResponse(
        {"version": 1, "attestation_bundles": [bundle]},
        media_type="application/vnd.pypi.integrity.v1+json",
    )


def _base(request: Request) -> str:
    """Return the scheme and authority that the client used, for links back to this index."""
    return str(request.base_url).rstrip("/")


def _simple(request: Request, forms: tuple[str, str]) -> Response:
    media_type = simple.media_type(request.headers.get("accept"))
    json, html = forms
    return Response(json if media_type == simple.JSON else html, media_type=media_type)


def _token_endpoint(ci: Ci) -> Route:
    """Return the token service of GitHub's runner, for a job with `id-token: write`."""

    async def token(request: Request) -> Response:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        known = hmac.compare_digest(given.encode(), ci.request_token.encode())
        if scheme.lower() != "bearer" or not known:
            return JSONResponse({"message": "Unauthorized"}, 401)
        audience = request.query_params.get("audience", ci.default_audience)
        return JSONResponse({"count": 0, "value": ci.identity_token("github", audience)})

    return _route("/ci/github/token", token, "GET")


def _authority_routes(authority: Authority) -> list[Route]:
    """Return the routes of Fulcio and Rekor."""

    async def certify(request: Request) -> Response:
        status, body = authority.certify(request.headers.get("authorization", ""), await request.body())
        return JSONResponse(body, status)

    async def log(request: Request) -> Response:
        status, body = authority.log(await request.body())
        return JSONResponse(body, status)

    return [_route(CERTIFY, certify, "POST"), _route(LOG, log, "POST")]


class _Recorded:
    """Records each request with its status, without the query, which could contain a secret."""

    def __init__(self, app: ASGIApp, requests: list[str]) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def recording(message: Message) -> None:
            if message["type"] == "http.response.start":
                line = f"{scope['method']} {scope['path']} {message['status']}"
                self._requests.append(line)
            await send(message)

        await self._app(scope, receive, recording)


def application(
    store: Store, trusted: Trusted, requests: list[str], ci: Ci | None = None, authority: Authority | None = None
) -> ASGIApp:
    """Return the index as an application: with *ci*, its token service; with *authority*, Sigstore. *requests* grows."""
    routes = _Index(store, trusted).routes()
    if ci is not None:
        routes.append(_token_endpoint(ci))
    if authority is not None:
        routes += _authority_routes(authority)
    app = Starlette(routes=routes, exception_handlers={404: _not_found})
    app.router.redirect_slashes = False
    return _Recorded(app, requests)
