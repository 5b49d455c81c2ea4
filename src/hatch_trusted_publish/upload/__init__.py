"""What is uploaded, in which order, and what became of each file."""
