"""MPIC-OPT as a pygeoapi plugin."""

from processes.plugin import Service


class MpicOptProcessor(Service):
    """Ground displacement between optical images."""

    service = "mpic-opt"
