"""Reports: scores and component tables as pages that a person can publish."""
