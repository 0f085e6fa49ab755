"""Which normalization a checkpoint was trained with, read from its BatchNorm statistics."""
