"""Masks of what must not be measured: clouds, user areas."""
