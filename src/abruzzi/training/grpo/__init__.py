"""GRPO: group-relative policy optimisation on verifiable rewards (arXiv 2402.03300)."""
