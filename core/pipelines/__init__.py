"""The services, each a package with its declaration, its steps and its ``run``."""

from core.declare import registry
from core.pipelines.echo import ECHO
from core.pipelines.mpic_opt.declaration import MPIC_OPT

PIPELINES = registry(MPIC_OPT, ECHO)
"""All services by id.  The ids ``dsm-opt`` and ``aladim`` are reserved."""
