"""Simulated landslides between two images, known exactly: the judge of ALADIM.

`event` draws mountains that rivers have cut, slides on them, and what two satellite images show of
it; nothing here uses the features, the segments or the terrain analysis of the service that is
judged.
"""

from core.simulate.landslides.large import write_large
from core.simulate.landslides.making import Event, event
from core.simulate.landslides.style import Style, drawn_style
from core.simulate.landslides.training import Training, training
from core.simulate.landslides.truth import Hidden, Slide, Truth
from core.simulate.landslides.validity import VALID, Best, best_threshold
from core.simulate.landslides.writing import Delivery, write_inventory, write_training, written

__all__ = [
    "VALID",
    "Best",
    "Delivery",
    "Event",
    "Hidden",
    "Slide",
    "Style",
    "Training",
    "Truth",
    "best_threshold",
    "drawn_style",
    "event",
    "training",
    "write_inventory",
    "write_large",
    "write_training",
    "written",
]
