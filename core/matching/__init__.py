"""Dense matching of two images: arrays in, new arrays out."""
