"""The services, each a package with its declaration, its steps and its ``run``."""

from core.declare import registry
from core.pipelines.dsm_opt.declaration import DSM_OPT
from core.pipelines.echo import ECHO
from core.pipelines.mpic_opt.declaration import MPIC_OPT

PIPELINES = registry(MPIC_OPT, DSM_OPT, ECHO)
"""All services by id.  The id ``aladim`` is reserved."""
