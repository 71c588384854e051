"""DSM-OPT: surface models, orthoimages and point clouds from stereo satellite images."""
