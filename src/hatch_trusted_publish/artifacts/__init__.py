"""Wheels and sdists, read but never unpacked."""
