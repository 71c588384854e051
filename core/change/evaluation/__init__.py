"""How well probabilities and objects agree with a reference: one judge for bench and report."""
