"""The published study (Perrinet, 2024, doi:10.5281/zenodo.14602370), experiment by experiment."""
