"""The command line: the only place that chooses implementations and wires them."""
