"""What hardware allows, on paper: seconds, tokens a second, cost and fleets, from shapes and data sheets alone."""
