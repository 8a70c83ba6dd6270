"""The demo: a good release is promoted and a bad one rejected, by real traffic. `make demo` runs it."""
