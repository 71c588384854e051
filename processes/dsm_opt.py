"""DSM-OPT as a pygeoapi plugin."""

from processes.plugin import Service


class DsmOptProcessor(Service):
    """Surface models from stereo satellite images."""

    service = "dsm-opt"
