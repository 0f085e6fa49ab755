"""Layers of our own for CPUs, where torch's leave much undone."""
