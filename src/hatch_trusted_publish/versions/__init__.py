"""The version source `vcs-public`."""
