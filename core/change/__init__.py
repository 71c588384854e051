"""Landslides from what changed between two dates: arrays in, new arrays out."""
