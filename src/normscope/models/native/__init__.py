"""Layers in C of our own for processors on which torch's leave much undone."""
