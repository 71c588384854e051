"""The numerical library: usable from a notebook, knows nothing of the web."""

__version__ = "0.1.0"
