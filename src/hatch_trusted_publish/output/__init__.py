"""The output of a run, and the files it leaves."""
