"""One experiment: its specification, its recipe, its trainer and its result."""
