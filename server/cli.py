"""The command ``optiground-server``."""

import argparse
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from core.errors import OptiGroundError
from server import logs
from server.errors import PortInUse
from server.settings import PREFIX, Settings, current_settings

PRIVATE = 0o077
"""What the server writes is for its own account; a job's processes have the same mask."""

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 done, 1 failed, 2 wrong settings or options."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["demo"]:
        from server.demo import main as demo

        return demo(given[1:])
    if sys.platform != "linux":
        return _complain("the server runs on Linux; `optiground` runs here too", 2)
    options = _parser().parse_args(given)
    _into_environment(options)
    try:
        settings = current_settings()
        logs.install(settings)
    except (ValueError, OSError) as error:
        return _complain(f"the settings cannot be used: {error}", 2)
    return _obey(settings, options)


def _obey(settings: Settings, options: argparse.Namespace) -> int:
    from sqlalchemy.exc import SQLAlchemyError

    from server.jobs.database import fault_of

    try:
        return _COMMANDS[options.command](settings, options)
    except OptiGroundError as error:
        return _complain(error.message, 1)
    except SQLAlchemyError as error:
        return _complain(fault_of(error).message, 1)
    except OSError as error:
        return _complain(f"{error.filename or options.command}: {error.strerror or error}", 1)


def serve(settings: Settings, options: argparse.Namespace) -> int:  # noqa: ARG001
    """Serve until interrupted: web server and dispatcher."""
    from server.access import check_listening
    from server.jobs.belonging import settle
    from server.jobs.database import Database
    from server.supervisor import Supervisor, server_parts

    check_listening(settings.host, settings.api_keys)
    _check_port(settings)
    # What is wrong with the store is told here, once, and not by each part again and again.
    database = Database(settings.database_url)
    settle(database, settings.data)
    database.instance()
    database.close()
    Supervisor(server_parts()).run(settings)
    return 0


def web(settings: Settings, options: argparse.Namespace) -> int:  # noqa: ARG001
    """Serve requests only: becomes gunicorn."""
    from server.access import check_listening
    from server.jobs.database import Database

    check_listening(settings.host, settings.api_keys)
    Database(settings.database_url)
    os.umask(PRIVATE)
    program = [sys.executable, "-m", "gunicorn", "-c", "python:server.web"]
    os.execv(sys.executable, [*program, "server.app:create_app()"])  # noqa: S606


def dispatch(settings: Settings, options: argparse.Namespace) -> int:  # noqa: ARG001
    """Run jobs only, until SIGTERM or SIGINT."""
    from server.jobs.dispatcher import Dispatcher

    dispatcher = Dispatcher(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: dispatcher.stop())
    os.umask(PRIVATE)
    try:
        dispatcher.run()
    except OSError:
        # At work this is no mistake of the operator's, who needs its place.
        log.exception("the dispatcher failed")
        return 1
    return 0


def care(settings: Settings, options: argparse.Namespace) -> int:
    """Look after the job store."""
    from server.jobs import belonging
    from server.jobs import care as caring
    from server.jobs.database import Database

    database = Database(settings.database_url)
    if options.action == "backup":
        target = options.target or _backup_name(settings, database.is_sqlite)
        caring.backup(database, target)
        print(target)  # noqa: T201
    elif options.action == "migrate":
        print(f"{caring.migrate(database)} steps taken")  # noqa: T201
    elif options.action == "adopt":
        print(f"{settings.data} belongs to {belonging.adopt(database, settings.data)}")  # noqa: T201
    else:
        told = belonging.conflict(database, settings.data)
        found = (*caring.findings(database), *([told] if told else []))
        print("\n".join(found) or "all is well")  # noqa: T201
        return int(bool(found))
    return 0


_COMMANDS = {"serve": serve, "web": web, "dispatch": dispatch, "store": care}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="optiground-server", description="The OptiGround server.", allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in (
        ("serve", "serve until interrupted: web server and dispatcher"),
        ("web", "the web server alone"),
        ("dispatch", "a dispatcher alone, for further hosts"),
    ):
        _add_settings(commands.add_parser(name, help=text, allow_abbrev=False))
    caring = commands.add_parser("store", help="look after the job store", allow_abbrev=False)
    actions = caring.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, text in (
        ("backup", "copy the store while it is in use"),
        ("migrate", "lead the store of an older server forward"),
        ("adopt", "give the data folder to the store, whoever had it"),
        ("check", "tell what is wrong with the store; 1 if anything is"),
    ):
        action = actions.add_parser(name, help=text, allow_abbrev=False)
        _add_settings(action)
        if name == "backup":
            action.add_argument("target", nargs="?", type=Path, help="file to write")
    commands.add_parser("demo", help="a whole run on simulated images, from nothing")
    return parser


def _add_settings(parser: argparse.ArgumentParser) -> None:
    for name, text in (
        ("config", "configuration file"),
        ("data", "folder of the store, jobs and uploads"),
        ("host", "address to listen on"),
        ("port", "port to listen on"),
    ):
        parser.add_argument(f"--{name}", help=text)


def _into_environment(options: argparse.Namespace) -> None:
    """Settings given as options, for this process and for those that it starts."""
    for name in ("config", "data", "host", "port"):
        value = getattr(options, name, None)
        if value is not None:
            path = name in ("config", "data")
            os.environ[PREFIX + name.upper()] = str(Path(value).absolute()) if path else value


def _check_port(settings: Settings) -> None:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise PortInUse(
                f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}."
            ) from error


def _backup_name(settings: Settings, is_sqlite: bool) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return settings.data / f"store-{stamp}.{'sqlite' if is_sqlite else 'dump'}"


def _complain(text: str, code: int) -> int:
    print(f"optiground-server: {text}", file=sys.stderr)  # noqa: T201
    return code


if __name__ == "__main__":
    sys.exit(main())
