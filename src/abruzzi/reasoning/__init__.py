"""Reasoning: plan, sample, agree, judge. Deciding is kept apart from generating."""
