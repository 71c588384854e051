"""ALADIM: landslides from images before and after, with and without samples."""
