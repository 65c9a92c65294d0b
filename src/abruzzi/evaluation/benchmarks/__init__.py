"""Benchmarks, one a file: what each asks, where it comes from, and how it is scored."""
