"""Scenes with exact truth, for tests, the demonstration and benchmarks."""
