"""Progress as an argument: reported per tile, and where cancellation is raised."""

from collections.abc import Callable
from dataclasses import dataclass, replace

Listener = Callable[[float, str], None]
"""Takes the fraction done (0 to 1) and a message in words; may raise ``errors.Cancelled``."""


def silent(fraction: float, message: str) -> None:
    """A listener that does nothing."""


@dataclass(frozen=True)
class Progress:
    """A span of a job's progress, which parts of the job may divide further.

    Parameters
    ----------
    listener
        Called at each report; raises ``Cancelled`` when the job must stop.
    start, stop
        The span of the whole job that belongs to the holder, fractions from 0 to 1.
    prefix
        Put before each message ("pair 1 of 3: ").
    """

    listener: Listener = silent
    start: float = 0.0
    stop: float = 1.0
    prefix: str = ""

    def report(self, fraction: float, message: str) -> None:
        """Tell that `fraction` (0 to 1) of this span is done, and what is being done now."""
        done = min(max(fraction, 0.0), 1.0)
        self.listener(self.start + (self.stop - self.start) * done, self.prefix + message)

    def part(self, start: float, stop: float, prefix: str = "") -> "Progress":
        """The part of this span from `start` to `stop` (0 to 1), messages prefixed."""
        width = self.stop - self.start
        return replace(
            self,
            start=self.start + width * start,
            stop=self.start + width * stop,
            prefix=self.prefix + prefix,
        )


QUIET = Progress()
"""Progress that nobody listens to."""
