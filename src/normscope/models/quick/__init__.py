"""Layers of a network computed in quicker ways on a CPU."""
