"""Tells the subscribers of jobs how they go: sends what stands in the outbox."""

import base64
import dataclasses
import hashlib
import hmac
import json
import logging
import threading
import time

from flask import Flask

from core.errors import OptiGroundError
from core.io.download import Download
from core.io.redaction import redact
from core.pipelines import PIPELINES
from server import documents
from server.jobs.models import Job
from server.jobs.outbox import Event, Outbox
from server.jobs.store import Store
from server.links import absolute
from server.settings import Settings

ANSWER_S = 20.0
"""Seconds in which a subscriber has to have answered."""
_LOOK_S = 0.5
_PAUSE_S = 10.0

log = logging.getLogger(__name__)


class Messenger(threading.Thread):
    """Sends events until it is stopped.

    What fails is tried again; no job knows of it.  Several may work at the same time.

    Parameters
    ----------
    store
        Jobs.
    outbox
        What is to be told, shared with the other senders of this process.
    settings
        Secret, address of this server, and where subscribers may be.
    """

    def __init__(self, store: Store, outbox: Outbox, settings: Settings) -> None:
        super().__init__(name="messenger", daemon=True)
        self._store = store
        self._outbox = outbox
        self._secret = settings.callback_secret.encode()
        self._policy = settings.policy.model_copy(update={"timeout_s": ANSWER_S})
        # Links are made as for an answer; nothing is served.
        self._app = Flask("server")
        self._app.config["BASE_URL"] = settings.base_url
        self._over = threading.Event()

    def run(self) -> None:
        """Work until :meth:`stop`."""
        pause = _LOOK_S
        while not self._over.wait(pause):
            try:
                while not self._over.is_set() and self.turn():
                    pass
                pause = _LOOK_S
            except Exception:  # the thread has to live on, whatever it meets
                log.exception("telling subscribers failed")
                pause = _PAUSE_S

    def stop(self) -> None:
        """End after the present event."""
        self._over.set()

    def turn(self) -> bool:
        """Send one event if one is due; whether there was one."""
        event = self._outbox.take()
        if event is None:
            return False
        try:
            self._tell(event)
        finally:
            self._outbox.free(event)
        return True

    def _tell(self, event: Event) -> None:
        try:
            job = self._store.get(event.job)
            if job is None or (event.status == "successful" and job.removed is not None):
                log.info("job %s: its results are gone, nobody is told of them", event.job)
                self._outbox.done(event, "outdated")
                return
            failure = self._send(event, job)
        except OptiGroundError as error:
            failure = error.message
        except Exception as error:  # put back as any other failure, so that it ends after a day
            log.exception("job %s: what its subscriber is to be told cannot be made", event.job)
            failure = f"{type(error).__name__} on our side."
        if failure is None:
            self._outbox.done(event, "delivered")
        elif not self._outbox.put_back(event):
            log.warning("job %s: its subscriber is given up: %s", event.job, failure)
        else:
            log.info("job %s: try %d: %s", event.job, event.attempts, failure)

    def _send(self, event: Event, job: Job) -> str | None:
        """Send an event; why it was not taken, None if it was."""
        with self._app.app_context():
            body = json.dumps(_document(event, job)).encode()
            monitor = absolute(f"/jobs/{job.id}")
        now = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "Link": f'<{monitor}>; rel="monitor"',
            "webhook-id": event.id,
            "webhook-timestamp": now,
            "webhook-signature": signature(self._secret, event.id, now, body),
        }
        status = Download(event.uri, "", self._policy, None).status_of(body, headers)
        return None if 200 <= status < 300 else f"{redact(event.uri)} answered {status}."


def signature(secret: bytes, event_id: str, timestamp: str, body: bytes) -> str:
    """The signature of a message as the Standard Webhooks specification has it."""
    signed = b".".join((event_id.encode(), timestamp.encode(), body))
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()


def _document(event: Event, job: Job) -> documents.Json:
    """What the standard sends: the results, or the status as it was at the event."""
    if event.status == "successful":
        return documents.results(job, documents.selected(job, PIPELINES[job.process_id]))
    then = dataclasses.replace(job, status=event.status, updated=event.at)
    if event.status == "running":
        then = dataclasses.replace(
            then,
            message="running",
            progress=0,
            finished=None,
            expires=None,
            problems=(),
            error_id=None,
        )
    return documents.status_info(then)
