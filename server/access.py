"""Who asks, and what they may do: every view asks `may` about every job."""

import hashlib
import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from flask import Request

from server.errors import ListeningRefused, NotAuthenticated, NotPermitted
from server.security import is_loopback

Action = Literal["submit", "list", "read", "dismiss"]


@dataclass(frozen=True)
class User:
    """Someone who sent a request.

    Parameters
    ----------
    name
        Recorded as the owner of jobs and uploads.
    reach
        What the user may see and change: nothing, what is their own, or everything.
    """

    name: str
    reach: Literal["none", "own", "all"] = "own"

    @property
    def sees(self) -> str | None:
        """The owner of what lists show to this user; None where that is everyone's."""
        return None if self.reach == "all" else self.name


class Owned(Protocol):
    """A job or an upload."""

    @property
    def owner(self) -> str:
        """Name of the user it belongs to."""


LOCAL = User("local", "all")
"""Everyone, on a server without access control: it listens on the loopback interface only."""

STRANGER = User("", "none")
"""Someone without a key on a server that wants one."""


def user_of(incoming: Request, keys: Mapping[str, str], operators: Collection[str] = ()) -> User:
    """The user whose key came with a request.

    The key stands in ``Authorization: Bearer``, in ``X-API-Key``, or is the password of HTTP Basic,
    which browsers ask for by themselves.

    Parameters
    ----------
    keys
        The user's name by the SHA-256 (hex) of each key; empty without access control.
    operators
        Names of users who reach everything.

    Raises
    ------
    NotAuthenticated
        A key was given and it is none of `keys`.
    """
    if not keys:
        return LOCAL
    given = _given_key(incoming)
    if given is None:
        return STRANGER
    digest = hashlib.sha256(given.encode("utf-8", "surrogateescape")).hexdigest()
    # All are compared, so that the time tells nothing about which came near.
    names = [name for known, name in keys.items() if hmac.compare_digest(known.lower(), digest)]
    if not names:
        raise NotAuthenticated("The API key is none of this server's.")
    return User(names[0], "all" if names[0] in operators else "own")


def may(user: User, action: Action, job: Owned | None = None) -> bool:
    """Whether `user` may do `action`, to `job` where the action concerns one."""
    if user.reach == "none":
        return False
    if action in ("submit", "list"):
        return True
    return job is not None and (user.reach == "all" or job.owner == user.name)


def require(user: User, action: Action) -> None:
    """Refuse a stranger; for actions that concern no job."""
    if not may(user, action):
        raise NotAuthenticated(
            "This server wants an API key: Authorization: Bearer KEY, or X-API-Key: KEY."
        )


def require_operator(user: User) -> None:
    """Refuse everyone who does not reach everything."""
    require(user, "list")
    if user.reach != "all":
        raise NotPermitted("Only an operator of this server may see this.")


def check_listening(host: str, keys: Mapping[str, str]) -> None:
    """Refuse to be open to the network while anyone may do anything, and names that own too much.

    Raises
    ------
    ListeningRefused
        `host` is not a loopback address and there are no `keys`; or a user of `keys` has a name
        under which this server keeps what it took without keys.
    """
    for name in keys.values():
        if name.strip().lower() in ("", LOCAL.name):
            raise ListeningRefused(
                f"An API key belongs to a user named {name!r}. What was submitted without access "
                f"control is kept under {LOCAL.name!r}; give the user another name in api_keys."
            )
    if not keys and not is_loopback(host):
        raise ListeningRefused(
            f"Without API keys the server listens on a loopback address only, not on {host!r}. "
            "Configure api_keys, or host: 127.0.0.1."
        )


def _given_key(incoming: Request) -> str | None:
    header = incoming.headers.get("X-API-Key")
    if header is not None:
        return header
    authorization = incoming.authorization
    if authorization is None:
        return None
    if authorization.type == "bearer":
        return authorization.token
    return authorization.password if authorization.type == "basic" else None
