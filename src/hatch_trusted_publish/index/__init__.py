"""What an index is asked and what its replies mean. No network here."""
