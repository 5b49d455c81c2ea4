"""The real `hatch publish`, as a subprocess, on real repositories and really built files."""
