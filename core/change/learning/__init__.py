"""Trees learned from samples, and how far their probabilities may be trusted."""
