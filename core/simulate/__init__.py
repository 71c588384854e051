"""Scenes whose answer is known exactly, for the demonstration, the tests and the benchmarks."""
