"""One HTTP request at a time: the only room that touches the network."""
