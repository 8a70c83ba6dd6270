"""The workshop of docs/tutorial.md: `make lesson N=3`, `make check N=3` and `make solve N=3`."""
