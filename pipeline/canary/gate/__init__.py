"""Gates turn a verdict into an action."""

POLL = 1.0
"""Seconds between two looks at what another driver has decided."""
