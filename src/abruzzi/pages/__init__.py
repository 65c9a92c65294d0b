"""Pages: what a report looks like, whoever writes it: tables, numbers, plots, one HTML page or Markdown."""
