"""`python -m canary` is the command `canary`, as the image runs it."""

from canary.cli import main

main()
