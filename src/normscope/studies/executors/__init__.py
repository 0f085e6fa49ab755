"""Where trials run: in this process, in local worker processes, on a GPU, or on a Ray cluster."""
