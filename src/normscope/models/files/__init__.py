"""Models as people have them: files and folders that bring their own weights, one kind a file."""
