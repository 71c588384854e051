"""Rasters by windows: reading scenes, scratch planes."""

from core.io.planes import Plane
from core.io.reader import Pixels, Reader

__all__ = ["Pixels", "Plane", "Reader"]
