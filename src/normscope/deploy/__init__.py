"""Models that take raw pixels: a normalization folded into the first layer, and saved."""
