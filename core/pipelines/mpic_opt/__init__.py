"""Horizontal displacement of the ground by correlation of optical images."""
