"""What a study's folder shows: its summary and its pictures."""
