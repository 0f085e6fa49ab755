"""What the trials say: numbers from a finished study, without torch."""
