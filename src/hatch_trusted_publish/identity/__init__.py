"""Who is publishing: the CI, its identity token, and the exchange for an upload token."""
