"""The requests to an index, and the meaning of its replies. No network here."""
