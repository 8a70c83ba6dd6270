"""`make bundle`: one archive for machines without a network."""
