"""Simulates the verdict and the rules of other tools on the same streams of requests."""
