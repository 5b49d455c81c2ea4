"""Attestations of the files (PEP 740): found next to them, or signed now."""
