"""What the pixels of a collection are like: exact sums, estimators and their uncertainty."""
