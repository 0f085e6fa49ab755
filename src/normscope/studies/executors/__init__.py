"""Where trials run: in this process, or in local worker processes."""
