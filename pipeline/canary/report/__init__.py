"""The report that a command leaves in a folder: what it did and saw, for a person and for a program."""
