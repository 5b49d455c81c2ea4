"""The plan, the uploads and their outcomes."""
