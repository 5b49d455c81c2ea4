"""Ask the index what it holds of a project.

Rules:

- Lists are read one after the other, and of each is kept what the run needs: PyPI has lists of 27 MB.
"""

from __future__ import annotations

from packaging.utils import NormalizedName

from ..http.client import Client
from ..index import simple_api
from ..index.endpoints import Index
from ..index.simple_api import Listing


def listing_of(index: Index, project: NormalizedName, client: Client) -> Listing:
    """Return what *index* lists for *project* now; nothing for an index that cannot be asked (``listing = "none"``).

    Raises:
        IndexReadError, NetworkError: it is not known what the index holds.
    """
    if not index.listed:
        return Listing()
    return simple_api.read_listing(client.send(simple_api.ask_listing(index, project)), index, project)
