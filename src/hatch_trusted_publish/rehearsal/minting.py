"""Exchange an identity token for an upload token. The order of the checks is PyPI's."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from .publishers import BY_ISSUER, Claims, Mismatch, Publisher, PublisherType, find
from .store import Store
from .validation import Problem, complaint, parsed

Reply: TypeAlias = tuple[int, dict[str, object] | None]

LEEWAY: Final = 30
BROKEN: Final[Reply] = (500, None)


class Trusted(NamedTuple):
    """The key that signs for every issuer: the rehearsal plays them all."""

    kid: str
    key: RSAPublicKey


def refused(code: str, description: str) -> Reply:
    """Return the reply of a refusal."""
    errors = [{"code": code, "description": description}]
    return 422, {"message": "Token request failed", "errors": errors}


def mint(store: Store, trusted: Trusted, body: bytes) -> Reply:
    """Exchange the identity token in *body* for an upload token."""
    if isinstance(token := payload(body), Problem):
        return refused("invalid-payload", complaint("TokenPayload", token))
    try:
        unverified = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        unverified = {}
    if "iss" not in unverified:
        return refused("invalid-payload", "malformed JWT")
    if (kind := BY_ISSUER.get(str(unverified["iss"]))) is None:
        return refused("invalid-payload", "unknown trusted publishing issuer")
    if not store.switches.trusted_publishing or kind.label in store.switches.issuers:
        return refused("not-enabled", f"{kind.label} trusted publishing functionality not enabled")
    claims = verified(token, trusted, store.audience, store.clock())
    if claims is None:
        return refused("invalid-token", "malformed or invalid token")
    return _for(store, kind, claims)


def payload(body: bytes) -> str | Problem:
    """Return the identity token in the request, or the problem with the request."""
    value = parsed(body)
    if isinstance(value, Problem):
        return value
    if not isinstance(value, dict):
        return Problem("model_type", "Input should be an object", value)
    if "token" not in value:
        return Problem("missing", "Field required", value, "token")
    token = value["token"]
    if not isinstance(token, str):
        return Problem("string_type", "Input should be a valid string", token, "token")
    return token


def verified(token: str, trusted: Trusted, audience: str, now: float) -> Claims | None:
    """Return the claims, if the signature, the times and the audience are right."""
    try:
        if jwt.get_unverified_header(token).get("kid") != trusted.kid:
            return None
        # One algorithm: `none`, and HMAC with the public key as its secret, are old attacks.
        claims: Claims = jwt.decode(
            token,
            trusted.key,
            algorithms=["RS256"],
            # The times are checked below, against the store's clock and not the machine's.
            options={
                "verify_signature": True,
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "verify_aud": False,
                "verify_iss": False,
                "verify_sub": False,
                "verify_jti": False,
            },
        )
    except jwt.InvalidTokenError:
        return None
    issued, since, until = claims.get("iat"), claims.get("nbf", 0), claims.get("exp")
    number = (int, float)
    if not (isinstance(issued, number) and isinstance(since, number) and isinstance(until, number)):
        return None
    in_time = max(issued, since) <= now + LEEWAY and until > now - LEEWAY
    # `aud` has to be a string: a list that holds the audience is for others too.
    return claims if in_time and claims.get("aud") == audience else None


def _for(store: Store, kind: PublisherType, claims: Claims) -> Reply:
    spent = str(claims.get("jti")) in store.spent
    pending = find(kind, claims, store.pending)
    publisher: Publisher | Mismatch
    if isinstance(pending, Mismatch):
        publisher = find(kind, claims, store.publishers)
    elif spent:
        # PyPI itself breaks here.
        return BROKEN
    else:
        if not store.switches.read_only and (refusal := _create(store, pending)):
            return refusal
        publisher = pending
    if isinstance(publisher, Mismatch):
        return refused(
            "invalid-publisher",
            f"valid token, but no corresponding publisher ({publisher.reason})",
        )
    if spent:
        return refused("invalid-reuse-token", "invalid token: already used")
    # Spent only now: a refused token can be used again. Google's have no `jti`.
    if "jti" in claims:
        store.spent.add(str(claims["jti"]))
    token, expires = store.mint(publisher)
    return 200, {"success": True, "token": token, "expires": expires}


def _create(store: Store, pending: Publisher) -> Reply | None:
    """Create the project of one pending publisher. Another new project needs another exchange."""
    names = store.pending[pending]
    name, is_taken = names[0], store.has(names[0])
    if not is_taken and (refusal := store.refused_name(name)):
        # The pending publisher stays, until its owner removes it.
        return refused("invalid-payload", refusal)
    del names[0]
    if not names:
        del store.pending[pending]
    if is_taken:
        return refused("invalid-pending-publisher", "valid token, but project already exists")
    store.add_project(name, pending)
    return None
