"""The only runner of jobs: under the dispatcher, on the command line, in a stock pygeoapi.

A job is a directory.  `prepare` writes what is wanted, `run` carries it out in the present
process, `run_in_child` in a process of its own, `inspect` only looks at the inputs.
"""

from core.job.child import command, run_in_child
from core.job.ending import is_file
from core.job.environment import child_environment, kernel_cache, user_cache
from core.job.inspection import inspect
from core.job.request import JobRequest, load, pipeline_of, prepare
from core.job.runner import run

__all__ = [
    "JobRequest",
    "child_environment",
    "command",
    "inspect",
    "is_file",
    "kernel_cache",
    "load",
    "pipeline_of",
    "prepare",
    "run",
    "run_in_child",
    "user_cache",
]
