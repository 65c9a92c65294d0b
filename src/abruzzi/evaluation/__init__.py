"""Evaluation: what a system is worth, at which price, how sure, and how clean."""
