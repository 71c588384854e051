"""Pixels of a scene by windows, with what is valid and what is saturated."""

import threading
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.io.gdal import open_dataset, raster_window, reading
from core.io.products.scene import Scene
from core.tiling import Window


class Pixels(NamedTuple):
    """A window of an image.

    Attributes
    ----------
    values
        float32; the fill value where not valid.
    valid
        Whether a pixel has a value.
    saturated
        Whether the value is the sensor's largest; such pixels are valid too.
    """

    values: NDArray[np.float32]
    valid: NDArray[np.bool_]
    saturated: NDArray[np.bool_]


class Reader:
    """Reads a scene's pixels, from any thread: each has a dataset of its own.

    May be sent to other processes, which open the file themselves.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._prepare()

    def _prepare(self) -> None:
        self._local = threading.local()
        self._lock = threading.Lock()
        self._open: list[Any] = []

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __getstate__(self) -> Scene:
        return self.scene

    def __setstate__(self, scene: Scene) -> None:
        self.scene = scene
        self._prepare()

    def close(self) -> None:
        """Close the datasets of all threads; no thread may be reading."""
        with self._lock:
            for dataset in self._open:
                dataset.close()
            self._open.clear()
            self._local = threading.local()

    def _dataset(self) -> Any:
        dataset = getattr(self._local, "dataset", None)
        if dataset is None:
            dataset = open_dataset(self.scene.path, pointer=self.scene.pointer)
            self._local.dataset = dataset
            with self._lock:
                self._open.append(dataset)
        return dataset

    def read(self, window: Window, fill: float = 0.0) -> Pixels:
        """The pixels of a window, which may reach outside the image: nothing is valid there.

        Parameters
        ----------
        window
            Rows and columns of the scene's grid.
        fill
            Value where there is none; may be NaN.
        """
        values = np.full(window.shape, fill, np.float32)
        valid = np.zeros(window.shape, np.bool_)
        saturated = np.zeros(window.shape, np.bool_)
        inside = window & self.scene.grid.window
        if inside.empty:
            return Pixels(values, valid, saturated)
        stored, known = self.stored(inside)
        at = inside.inside(window).slices
        valid[at] = known
        np.copyto(values[at], stored, where=known, casting="unsafe")
        if self.scene.saturation is not None:
            saturated[at] = known & (stored == self.scene.saturation)
        return Pixels(values, valid, saturated)

    def stored(self, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The pixels as they are stored, and which have a value; the window lies inside."""
        scene = self.scene
        part = raster_window(window)
        with reading(scene.name, pointer=scene.pointer):
            dataset = self._dataset()
            stored = dataset.read(scene.band, window=part)
            if scene.validity == "alpha":
                known = dataset.read(scene.alpha, window=part) != 0
            elif scene.validity == "mask":
                known = dataset.read_masks(scene.band, window=part) != 0
            else:
                known = np.ones(window.shape, np.bool_)
        if scene.nodata is not None and scene.nodata == scene.nodata:
            known &= stored != stored.dtype.type(scene.nodata)
        if stored.dtype.kind == "f":
            known &= np.isfinite(stored)
        return stored, known
