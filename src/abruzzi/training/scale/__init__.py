"""A recipe on a cluster: sharded SFT through accelerate, GRPO through verl on Ray, and what either needs, on paper."""
