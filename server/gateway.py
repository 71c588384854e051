"""pygeoapi as this server uses it; the one module of the server that imports it.

Its `API` loads the plugins that the configuration names, and answers landing page, conformance and
process list as JSON.  Everything else (processes, jobs, results, OpenAPI, pages) is ours.  A test
lists the names imported here with their signatures, and fails under any other version of pygeoapi.
Importing it costs about a CPU-second, so the application does that at the first use.
"""

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

from pygeoapi.api import API, APIRequest, conformance, landing_page
from pygeoapi.api.processes import describe_processes
from pygeoapi.process.manager.base import BaseManager
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

Json = dict[str, Any]

_SPEC = "http://www.opengis.net/spec/"
_PROCESSES = f"{_SPEC}ogcapi-processes-1/1.0/conf/"
_CALLBACK = f"{_PROCESSES}callback"
_NOT_SERVED = frozenset({f"{_SPEC}ogcapi-common-2/1.0/conf/collections", _CALLBACK})
_SERVED = tuple(_PROCESSES + name for name in ("html", "job-list", "dismiss"))
_CONFORMANCE = "http://www.opengis.net/def/rel/ogc/1.0/conformance"
_ABSENT = ("/collections", "/TileMatrixSets", "f=jsonld")
"""Parts of links to what pygeoapi has and this server has not."""


class Manager(BaseManager):
    """Tells pygeoapi which processes there are and that jobs run asynchronously.

    Jobs themselves never pass through pygeoapi: the views write them into our store.
    """

    def __init__(self, manager_def: Json) -> None:
        super().__init__(manager_def)
        self.is_async = True

    def get_processor(self, process_id: str) -> Any:
        """The plugin of a process, bare of what the process list does not show.

        pygeoapi looks for translations in every part of a description at every request, and logs
        a warning for each key that is no language.
        """
        processor = super().get_processor(process_id)
        shown: Json = {"inputs": {}, "outputs": {}, "example": {}, "links": []}
        processor.metadata = {**processor.metadata, **shown}
        return processor


class Gateway:
    """pygeoapi's `API` for one configuration.

    Parameters
    ----------
    config
        The configuration as in ``pygeoapi-config.yml``; it is copied, pygeoapi writes into its own.
    url
        The address of this server, without a trailing slash.
    callbacks
        Whether subscribers of jobs are told.

    Raises
    ------
    Exception
        Whatever pygeoapi raises where a plugin cannot be loaded.
    """

    def __init__(self, config: Mapping[str, Any], url: str, *, callbacks: bool = False) -> None:
        own = copy.deepcopy(dict(config))
        own["server"] = {**own["server"], "url": url, "gzip": False, "pretty_print": False}
        own["server"]["manager"] = {"name": f"{__name__}.{Manager.__name__}"}
        processes = [k for k, v in own["resources"].items() if v.get("type") == "process"]
        count = max(1, len(processes))
        own["server"]["limits"] = {"default_items": count, "max_items": count}
        self._served = _SERVED + ((_CALLBACK,) if callbacks else ())
        self._api = API(own, openapi={})
        for process_id in processes:
            self._api.manager.get_processor(process_id)

    @property
    def process_ids(self) -> tuple[str, ...]:
        """The processes that the configuration names, in its order."""
        return tuple(self._api.manager.processes)

    def landing(self) -> Json:
        """The landing page, without links to what is not served here."""
        page = self._answer(landing_page)
        page["links"] = [
            link for link in page["links"] if not any(part in link["href"] for part in _ABSENT)
        ]
        # The name that the relation has in OGC API - Processes; pygeoapi has the one of Features.
        page["links"] += [
            link | {"rel": _CONFORMANCE} for link in page["links"] if link["rel"] == "conformance"
        ]
        return page

    def conformance(self) -> Json:
        """The conformance classes that hold here."""
        declared = set(self._answer(conformance)["conformsTo"]) - _NOT_SERVED
        return {"conformsTo": sorted(declared.union(self._served))}

    def processes(self) -> Json:
        """The process list.

        Texts in it are as pygeoapi writes them, with ``<`` and ``>`` escaped as for HTML.
        """
        listed = self._answer(describe_processes)
        for entry in [listed, *listed["processes"]]:
            entry["links"] = [
                link for link in entry["links"] if not any(part in link["href"] for part in _ABSENT)
            ]
        return listed

    def _answer(self, view: Callable[[API, APIRequest], tuple[Json, int, str]]) -> Json:
        # A request of our own making: query and Accept of the client are not pygeoapi's to read.
        environ = EnvironBuilder(query_string={"f": "json"}).get_environ()
        request = APIRequest.from_flask(Request(environ), self._api.locales)
        _, status, body = view(self._api, request)
        if status != 200:
            raise RuntimeError(f"pygeoapi answered {status} to {view.__name__}")
        answer: Json = json.loads(body)
        return answer
