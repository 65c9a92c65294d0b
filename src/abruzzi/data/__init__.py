"""Data: questions with their ground truth, where they come from, and whether one set holds another's."""
