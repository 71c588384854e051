"""The server: an own Flask application over the API of pygeoapi, and the job engine."""
