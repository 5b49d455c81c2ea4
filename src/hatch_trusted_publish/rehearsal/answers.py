"""The replies of `/legacy/`, in the format that the request accepts.

PyPI writes the reason into the status line and into the body. uvicorn does not let an
application set the reason phrase, so here the body alone carries it (member ``code``).
"""

from __future__ import annotations

import html
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

_EXPLANATIONS: Final = {
    200: "",
    400: ("The server could not comply with the request since it is either malformed or otherwise incorrect."),
    403: "Access was denied to this resource.",
    405: "The method is not allowed for this resource.",
    410: "This resource is no longer available. No forwarding address is given.",
}
_HTML: Final = """\
<html>
 <head>
  <title>{code}</title>
 </head>
 <body>
  <h1>{code}</h1>
  {explanation}<br/><br/>
{detail}


 </body>
</html>"""
_REDIRECT: Final = "The resource has been moved to {path}; you should be redirected automatically."


@dataclass(frozen=True, slots=True)
class Answer:
    """One reply of the upload API. Without a *reason*, it has the standard phrase of its status."""

    status: int
    reason: str = ""
    detail: str | None = None

    @property
    def title(self) -> str:
        """The standard phrase of the status."""
        return HTTPStatus(self.status).phrase

    @property
    def code(self) -> str:
        """The status line without the protocol, in Latin-1."""
        line = f"{self.status} {self.reason or self.title}"
        return line.encode("latin-1", "replace").decode("latin-1")

    def rendered(self, accept: str | None) -> tuple[str, str]:
        """Return the media type and the body for an `Accept` header."""
        detail = self.reason if self.detail is None else self.detail
        explanation = _EXPLANATIONS[self.status]
        message = f"{explanation}\n\n\n{detail}\n\n"
        if accept is None:
            return "text/plain", f"{self.code}\n\n{message}"
        if "application/json" in accept:
            return "application/json", _json(message, self.code, self.title)
        return "text/html", _HTML.format(
            code=html.escape(self.code, quote=False),
            explanation=explanation,
            detail=html.escape(detail, quote=False),
        )


def _json(message: str, code: str, title: str) -> str:
    return json.dumps({"message": message, "code": code, "title": title})


def moved(path: str) -> str:
    """Return the JSON body of the redirect from `/legacy` to *path*."""
    reason = (
        f"An upload was attempted to {path.rstrip('/')} but the expected upload URL is {path} (with a trailing slash)"
    )
    message = f"{_REDIRECT.format(path=path)}\n{reason}\n"
    return _json(message, f"308 {reason}", HTTPStatus.PERMANENT_REDIRECT.phrase)
