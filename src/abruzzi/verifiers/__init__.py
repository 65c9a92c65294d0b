"""Verifiers: one definition of correct for training, evaluation and answering. They know no model."""
