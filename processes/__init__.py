"""Thin pygeoapi plugins, one per service, and renderings of their declarations."""
