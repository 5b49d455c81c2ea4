"""Which hosts are this machine."""

from __future__ import annotations

import socket
from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Return whether *host* is a loopback address or ``localhost``. Any other name is what DNS makes of it."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def elsewhere(host: str) -> str | None:
    """Return an address that *host* has on another machine."""
    addresses = (str(address[0]) for *_, address in socket.getaddrinfo(host, None))
    return next((address for address in addresses if not is_loopback(address)), None)
