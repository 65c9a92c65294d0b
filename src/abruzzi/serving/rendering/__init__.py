"""Text of models as safe HTML: Markdown, formulas, listings. What it lets through is listed; the rest stays text."""
