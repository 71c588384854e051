"""Reading images and writing results: the only packages that open files for the numerics."""
