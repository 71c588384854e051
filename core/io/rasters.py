"""Rasters by windows: reading scenes, bringing them near, scratch planes."""

from core.io.planes import Plane
from core.io.reader import Pixels, Reader
from core.io.staging import stage

__all__ = ["Pixels", "Plane", "Reader", "stage"]
