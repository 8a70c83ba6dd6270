"""Gates turn a verdict into an action."""
