"""What the usual preprocessing mistakes cost a trained network."""
