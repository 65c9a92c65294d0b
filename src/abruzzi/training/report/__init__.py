"""Reports of training: what was run, how its curves went, what moved and what did not."""
