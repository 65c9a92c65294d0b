"""Statistics: pure functions from scores to numbers with intervals; they know no model, no file and no benchmark."""
