"""What a job has found, from which everything is written."""

from dataclasses import dataclass

from core.change.learning.model import Fitted, Samples
from core.pipelines.aladim.detection import Detection
from core.pipelines.aladim.inventory import Inventory
from core.pipelines.aladim.preparation import Prepared
from core.pipelines.aladim.scan import Scene


@dataclass(frozen=True)
class Lesson:
    """Samples, and what was learned from them."""

    samples: Samples
    fitted: Fitted


@dataclass(frozen=True)
class Done:
    """All that a job has found."""

    ready: Prepared
    scene: Scene
    lesson: Lesson
    detection: Detection
    inventory: Inventory
    polygons: tuple[str, ...]
