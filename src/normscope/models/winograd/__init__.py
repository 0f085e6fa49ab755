"""Convolutions of 3 x 3 on CPUs with a quarter of the multiplications."""
