"""Many trials: what is planned, where they are kept, and where they run."""
