"""Options and tables to typed settings."""
