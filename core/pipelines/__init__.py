"""The services by id."""
