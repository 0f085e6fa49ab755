"""Files that hold many images under names of their own: one reader a format."""
