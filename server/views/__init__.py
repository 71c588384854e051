"""The paths of the server, one module per group."""

from flask import Flask

from server.views import execution, jobs, landing, metrics, processes, results, uploads


def register(app: Flask) -> None:
    """Give all paths to an application."""
    for module in (landing, metrics, processes, execution, jobs, results, uploads):
        app.register_blueprint(module.blueprint)
