"""What can go wrong between a client and this server, beside the errors of the library."""

from typing import ClassVar

from core.errors import InputError, OptiGroundError


class NotFound(InputError):
    """There is nothing at this address."""

    code = "not-found"


class MethodNotAllowed(InputError):
    """The address does not know the method of the request."""

    code = "method-not-allowed"


class NoSuchJob(InputError):
    """There is no job of this id, or it belongs to someone else."""

    code = "no-such-job"


class NoSuchResult(InputError):
    """The job has no output of this name, or the output no file of this key."""

    code = "no-such-result"


class NoSuchUpload(InputError):
    """There is no uploaded file of this id, or it belongs to someone else."""

    code = "no-such-upload"


class UploadInUse(InputError):
    """An uploaded file is needed by a job that has not ended."""

    code = "upload-in-use"


class ResultNotReady(InputError):
    """The job has not ended, so there are no results yet."""

    code = "result-not-ready"


class ResultsGone(InputError):
    """The results of this job were removed."""

    code = "results-gone"


class BadQuery(InputError):
    """A parameter in the query of the address cannot be used."""

    code = "bad-query"


class BadRequest(InputError):
    """The request cannot be read."""

    code = "bad-request"


class UnsupportedMediaType(InputError):
    """The body is of a media type that is not taken here."""

    code = "unsupported-media-type"


class BodyTooLarge(InputError):
    """The body of the request is larger than this server takes."""

    code = "body-too-large"


class RangeNotSatisfiable(InputError):
    """The range of bytes asked for lies outside the file."""

    code = "range-not-satisfiable"


class NotAuthenticated(InputError):
    """The server wants an API key, and none of its own was given."""

    code = "not-authenticated"


class NotPermitted(InputError):
    """The API key is one of the server's, and does not reach this."""

    code = "not-permitted"


class CrossSite(InputError):
    """A page of another site tried to change something here."""

    code = "cross-site"


class Misdirected(InputError):
    """The Host of the request is no name of this server."""

    code = "misdirected"


class ServerFull(OptiGroundError):
    """The server has too little free space to take more work."""

    code = "server-full"


class ServerBusy(OptiGroundError):
    """All places for requests of this kind are taken; the same request may succeed later."""

    code = "server-busy"
    retry_after_s: ClassVar[int] = 5


class StoreUnavailable(ServerBusy):
    """The job store does not answer just now; the same request may succeed later."""

    code = "store-unavailable"


class PreconditionFailed(InputError):
    """The file is not the one that the request is about: If-Match, or If-Unmodified-Since."""

    code = "precondition-failed"


class QueueFull(OptiGroundError):
    """Too many jobs are waiting, of this user or of all, or too many callbacks of this user."""

    code = "queue-full"
    retry_after_s: ClassVar[int] = 30


class TooManyRequests(OptiGroundError):
    """Too many jobs and files come from this address: a proxy before the server refuses them."""

    code = "too-many-requests"


class KeyReused(InputError):
    """The Idempotency-Key was used before, for another request."""

    code = "idempotency-key-reused"


class WrongSchema(OptiGroundError):
    """The store was made by another version of the server."""

    code = "wrong-schema"


class StoreFault(OptiGroundError):
    """Something cannot be done with the job store."""

    code = "store-fault"


class PortInUse(OptiGroundError):
    """The server cannot listen where it should."""

    code = "port-in-use"


class ListeningRefused(OptiGroundError):
    """Without access control the server listens on the loopback interface only."""

    code = "listening-refused"
