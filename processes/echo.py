"""Echo as a pygeoapi plugin."""

from processes.plugin import Service


class EchoProcessor(Service):
    """Gives back what it gets."""

    service = "echo"
