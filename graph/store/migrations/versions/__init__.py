"""One module per step, named for the version it leads to."""
