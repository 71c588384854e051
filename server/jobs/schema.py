"""The tables of the store, and the steps that lead an older store to them."""

from collections.abc import Sequence

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    inspect,
    select,
    text,
)

from server.errors import WrongSchema

metadata = MetaData()

_Serial = BigInteger().with_variant(Integer, "sqlite")

properties = Table(
    "properties",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

SWEEP = "sweep "
"""Before a dispatcher's id, the name of the property that says what is wrong with its sweep."""

# Times are microseconds since 1970 in UTC: the same type and plain arithmetic on both databases.
jobs = Table(
    "jobs",
    metadata,
    Column("seq", _Serial, primary_key=True, autoincrement=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("process_id", String(128), nullable=False),
    Column("owner", Text, nullable=False),
    Column("mode", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("message", Text, nullable=False),
    Column("progress", Integer, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("started", BigInteger),
    Column("finished", BigInteger),
    Column("updated", BigInteger, nullable=False),
    Column("expires", BigInteger),
    Column("document", Text, nullable=False),
    Column("files", Text, nullable=False),
    Column("resources", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("lost", Integer, nullable=False),
    Column("workdir", Text),
    Column("directory", Text),
    Column("outputs", Text, nullable=False),
    Column("problems", Text, nullable=False),
    Column("error_id", String(64)),
    Column("removed", Text),
    # The dispatcher that answers for the attempt's processes, from the claim until they are dead.
    Column("holder", String(64)),
    Column("host", Text),
    Column("boot", Text),
    Column("pid", Integer),
    Column("ticks", BigInteger),
    # Files of the attempt are still to be removed.
    Column("untidy", Integer, nullable=False),
    Index("jobs_by_status", "status", "owner"),
    Index("jobs_by_holder", "holder"),
    Index("jobs_by_owner", "owner", "created"),
    Index("jobs_by_time", "created"),
    Index("jobs_untidy", "untidy"),
)

transitions = Table(
    "transitions",
    metadata,
    Column("seq", _Serial, primary_key=True, autoincrement=True),
    Column("job", String(64), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("before", String(16)),
    Column("after", String(16), nullable=False),
    Column("who", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("transitions_by_job", "job", "seq"),
)

turns = Table(
    "turns",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("served", BigInteger, nullable=False),
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
)

# What a job reads that this server keeps: uploaded files and results of other jobs.
uses = Table(
    "uses",
    metadata,
    Column("job", String(64), ForeignKey("jobs.id"), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("used", String(64), primary_key=True),
    Index("uses_by_used", "kind", "used"),
)

# Names that clients gave to their requests, so that one sent again makes no second job.
keys = Table(
    "idempotency_keys",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("name", String(255), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("job", String(64), ForeignKey("jobs.id"), nullable=False),
    Column("expires", BigInteger, nullable=False),
    Index("idempotency_keys_by_expiry", "expires"),
    Index("idempotency_keys_by_job", "job"),
)

# Who is to be told how a job goes; forgotten when it has ended.
subscribers = Table(
    "subscribers",
    metadata,
    Column("job", String(64), ForeignKey("jobs.id"), primary_key=True),
    Column("uris", Text, nullable=False),
)

# The outbox: what is still to be told, written in the transaction of what it tells.
callbacks = Table(
    "callbacks",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("job", String(64), ForeignKey("jobs.id"), nullable=False),
    Column("status", String(16), nullable=False),
    Column("uri", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("due", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("owner", Text, nullable=False, server_default=""),
    Index("callbacks_by_due", "due"),
    Index("callbacks_by_owner", "owner", "due"),
    Index("callbacks_by_job", "job"),
)

# How many tries to send one ended in which way, since the store was made.
tries = Table(
    "callback_tries",
    metadata,
    Column("outcome", String(16), primary_key=True),
    Column("number", BigInteger, nullable=False),
)
OUTCOMES = ("delivered", "retried", "given_up", "outdated")

dispatchers = Table(
    "dispatchers",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("host", Text, nullable=False),
    Column("boot", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("ticks", BigInteger, nullable=False),
    Column("seen", BigInteger, nullable=False),
)

Step = Sequence[str]

STEPS: tuple[Step, ...] = (
    (
        """
        CREATE TABLE idempotency_keys (
            owner TEXT NOT NULL,
            name VARCHAR(255) NOT NULL,
            digest VARCHAR(64) NOT NULL,
            job VARCHAR(64) NOT NULL REFERENCES jobs (id),
            expires BIGINT NOT NULL,
            PRIMARY KEY (owner, name)
        )
        """,
        "CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires)",
    ),
    (
        """
        CREATE TABLE subscribers (
            job VARCHAR(64) NOT NULL REFERENCES jobs (id),
            uris TEXT NOT NULL,
            PRIMARY KEY (job)
        )
        """,
        """
        CREATE TABLE callbacks (
            id VARCHAR(64) NOT NULL,
            job VARCHAR(64) NOT NULL REFERENCES jobs (id),
            status VARCHAR(16) NOT NULL,
            uri TEXT NOT NULL,
            at BIGINT NOT NULL,
            due BIGINT NOT NULL,
            attempts INTEGER NOT NULL,
            PRIMARY KEY (id)
        )
        """,
        "CREATE INDEX callbacks_by_due ON callbacks (due)",
    ),
    (
        "ALTER TABLE callbacks ADD COLUMN owner TEXT NOT NULL DEFAULT ''",
        "UPDATE callbacks SET owner = (SELECT owner FROM jobs WHERE jobs.id = callbacks.job)",
        "CREATE INDEX callbacks_by_owner ON callbacks (owner, due)",
        """
        CREATE TABLE callback_tries (
            outcome VARCHAR(16) NOT NULL,
            number BIGINT NOT NULL,
            PRIMARY KEY (outcome)
        )
        """,
        """
        INSERT INTO callback_tries (outcome, number)
        VALUES ('delivered', 0), ('retried', 0), ('given_up', 0), ('outdated', 0)
        """,
    ),
    (
        # Who removes a job looks for what refers to it.
        "CREATE INDEX idempotency_keys_by_job ON idempotency_keys (job)",
        "CREATE INDEX callbacks_by_job ON callbacks (job)",
    ),
)
"""SQL of each step forward: the first leads from version 1 to version 2, and so on."""


def version(connection: Connection) -> int | None:
    """The schema version of the store; None for an empty database."""
    if not inspect(connection).has_table(properties.name):
        return None
    value = connection.execute(
        select(properties.c.value).where(properties.c.name == "schema")
    ).scalar_one_or_none()
    return None if value is None else int(value)


def instance(connection: Connection) -> str:
    """The name of the store, which no other store has."""
    query = select(properties.c.value).where(properties.c.name == "instance")
    return str(connection.execute(query).scalar_one())


def create(connection: Connection, instance: str, steps: Sequence[Step] = STEPS) -> None:
    """Make all tables in an empty database."""
    metadata.create_all(connection)
    connection.execute(
        properties.insert(),
        [
            {"name": "schema", "value": str(len(steps) + 1)},
            {"name": "instance", "value": instance},
            {"name": "probe", "value": ""},
        ],
    )
    connection.execute(tries.insert(), [{"outcome": one, "number": 0} for one in OUTCOMES])


def check(connection: Connection, steps: Sequence[Step] = STEPS) -> None:
    """Raise :class:`WrongSchema` unless the store has the version that this code knows."""
    found, known = version(connection), len(steps) + 1
    if found == known:
        return
    if found is not None and found > known:
        raise WrongSchema(
            f"The store has schema version {found}, this server knows versions up to {known}: "
            "install the newer server."
        )
    raise WrongSchema(
        f"The store has schema version {found}, this server needs version {known}: "
        "run `optiground-server store backup`, then `optiground-server store migrate`."
    )


def migrate(connection: Connection, steps: Sequence[Step] = STEPS) -> int:
    """Lead the store forward to the version that this code knows; the number of steps taken."""
    found = version(connection)
    if found is None or found > len(steps) + 1:
        check(connection, steps)
    pending = steps[(found or 1) - 1 :]
    for step in pending:
        for statement in step:
            connection.execute(text(statement))
    connection.execute(
        properties.update().where(properties.c.name == "schema").values(value=str(len(steps) + 1))
    )
    return len(pending)
