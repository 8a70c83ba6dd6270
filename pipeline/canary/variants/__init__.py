"""What canary and baseline are made of, and their sizes."""
