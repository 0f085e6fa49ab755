"""The libraries that models come from, one file each."""

TIMM = "timm/"
HUGGING_FACE = "hf/"
"""What a model's name starts with that comes from there."""
