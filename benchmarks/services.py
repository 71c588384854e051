"""Programs of others that benchmarks and tests start for themselves: PostgreSQL and nginx."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

PROXY = Path(__file__).parents[1] / "docker" / "nginx"
_MAIN = """
pid nginx.pid;
error_log error.log;
daemon off;
worker_processes 1;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include {site};
}}
"""
_START_S = 30.0


class Missing(Exception):
    """A program is not installed; the message says which, and where it is to be had."""


def free_port() -> int:
    """A port that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def postgresql(*options: str) -> Iterator[str]:
    """A PostgreSQL server; its URL, without the name of a database.

    Parameters
    ----------
    options
        Of the server's command line, beside those that say where it is.

    Raises
    ------
    Missing
        It is not installed, or there is nobody but root to run it.
    """
    initdb, pg_ctl = (_postgresql_program(name) for name in ("initdb", "pg_ctl"))
    other = _unprivileged()
    # Not under the caller's folder, whose parents may be closed to the other user.
    folder = Path(tempfile.mkdtemp(prefix="optiground-pg-"))
    if other:
        os.chown(folder, int(str(other["user"])), int(str(other["group"])))

    def call(*command: str) -> None:
        subprocess.run(
            command, check=True, cwd=folder, stdout=subprocess.DEVNULL, timeout=120, **other
        )

    data, port = str(folder / "data"), free_port()
    place = f"-c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -p {port}"
    try:
        call(initdb, "-D", data, "-U", "tester", "--auth=trust", "-E", "UTF8", "--no-sync")
        command = " ".join((place, *options))
        call(pg_ctl, "-D", data, "-o", command, "-l", str(folder / "log"), "-w", "start")
        try:
            yield f"postgresql://tester@127.0.0.1:{port}"
        finally:
            call(pg_ctl, "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _postgresql_program(name: str) -> str:
    found = shutil.which(name)
    if found:
        return found
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    if not installed:
        raise Missing("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    return str(installed[-1])


def _unprivileged() -> dict[str, object]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise Missing("PostgreSQL refuses to run as root, and there is no other user")


@contextmanager
def nginx(
    port: int, upstream: int, adapted: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Path]:
    """The proxy of docker/nginx on a port, before a server on another; the folder it works in.

    Its certificate for localhost lies there as ``optiground.crt``.

    Parameters
    ----------
    adapted
        What is to stand in the configuration, by what stands there.

    Raises
    ------
    Missing
        It is not installed.
    """
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None or shutil.which("openssl") is None:
        raise Missing("nginx or openssl is not installed (Debian: apt-get install nginx-light)")
    with tempfile.TemporaryDirectory(prefix="nginx-") as name:
        folder = Path(name)
        _lay_out(folder, port, upstream, adapted)
        command = [program, "-p", name, "-e", "error.log", "-c", "nginx.conf"]
        running = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            _wait_until_it_listens(running, port, folder / "error.log")
            yield folder
        finally:
            running.terminate()
            running.wait(_START_S)


def _wait_until_it_listens(running: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + _START_S
    while running.poll() is None and time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"nginx does not listen: {log.read_text()}")


def _lay_out(folder: Path, port: int, upstream: int, adapted: Mapping[str, str]) -> None:
    """Our configuration with addresses and paths of this folder, and what is adapted, replaced."""
    site = (PROXY / "optiground.conf").read_text()
    for old, new in (
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("127.0.0.1:5000", f"127.0.0.1:{upstream}"),
        ("/etc/nginx/", f"{folder}/"),
        *adapted.items(),
    ):
        if old not in site:
            raise ValueError(f"the configuration has no {old!r}")
        site = site.replace(old, new)
    (folder / "site.conf").write_text(site)
    shutil.copy(PROXY / "optiground-proxy.conf", folder)
    main = _MAIN.format(site=folder / "site.conf")
    # Debian's default for root is a user who cannot enter the folder.
    (folder / "nginx.conf").write_text(("user root;\n" if os.geteuid() == 0 else "") + main)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", folder / "optiground.key", "-out", folder / "optiground.crt"],
        check=True,
        capture_output=True,
    )  # fmt: skip
