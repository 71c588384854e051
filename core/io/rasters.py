"""Rasters by windows: reading scenes, bringing them near, masks, scratch planes."""

from core.io.clouds import cloud
from core.io.masks import mask_notes, user_mask
from core.io.planes import Plane
from core.io.reader import Pixels, Reader
from core.io.staging import stage
from core.io.warping import warp

__all__ = ["Pixels", "Plane", "Reader", "cloud", "mask_notes", "stage", "user_mask", "warp"]
