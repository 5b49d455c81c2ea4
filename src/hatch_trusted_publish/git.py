"""Every call to Git."""
