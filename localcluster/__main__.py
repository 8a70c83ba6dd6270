"""`python -m localcluster` is the command `localcluster`."""

from localcluster.cli import main

main()
