"""What configuration files, libraries and graphs say of a model's preprocessing, one a file."""
