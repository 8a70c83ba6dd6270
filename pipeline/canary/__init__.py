"""The canary driver: deploys variants beside stable, compares them, and promotes or rejects."""
