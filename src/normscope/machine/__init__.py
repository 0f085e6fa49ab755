"""What this machine is and can: its cores, its devices, their precision, the versions on it."""
