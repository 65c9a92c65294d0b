"""What may be asked and what may be told: rules, a guard model, canaries, for question, answer and reasoning."""
