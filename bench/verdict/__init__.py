"""Measures the verdict by simulation, beside what others do on the same streams of requests."""
