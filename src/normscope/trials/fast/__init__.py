"""The fast trainer: the plain one's experiment, alone on a CPU or stacked on a GPU."""
