"""Simulated stereo of very high resolution whose surface is known exactly: the judge of DSM-OPT.

Every pixel is the mean of 4 x 4 lines of sight or more, blurred as a sensor blurs, that end where
they meet terrain or buildings.  The lines of sight belong to an RPC, as GDAL evaluates it; nothing
here uses the geometry or the resampling of the service that is judged.
"""
