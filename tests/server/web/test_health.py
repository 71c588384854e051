"""What the server says about its own state."""

import os
from functools import partial

from flask.testing import FlaskClient

from server.jobs.claims import Claims
from server.jobs.process import identity
from server.jobs.store import Store
from server.jobs.upkeep import Upkeep
from server.settings import Settings


def test_a_sweep_that_fails_is_told_and_jobs_go_on(
    client: FlaskClient, store: Store, settings: Settings
) -> None:
    me = identity(os.getpid())
    assert me is not None
    Claims(store.database, "d1", "d1", settings.jobs_folder, 1.0).beat(me)
    note = partial(Upkeep(store.database).note_fault, "d1")
    assert "sweep" not in client.get("/health").json
    note("OSError")
    answer = client.get("/health")
    assert (answer.status_code, answer.json["sweep"]) == (200, "failing: OSError")
    note(None)
    assert "sweep" not in client.get("/health").json
