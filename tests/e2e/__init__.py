"""The real `hatch publish`, as a subprocess, on real repositories and real built files."""
