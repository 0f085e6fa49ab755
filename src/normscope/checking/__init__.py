"""One verdict on a normalization: what a network expects, and what it is given."""
