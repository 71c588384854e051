"""Whether two images go together."""

from core.errors import BandMissing
from core.io.products import Scene
from core.pipelines.mpic_opt.declaration import CloudMask, MpicOptParameters


def check_clouds(parameters: MpicOptParameters, *scenes: Scene) -> None:
    """Refuse cloud_mask product where no image has a cloud layer."""
    if parameters.cloud_mask is CloudMask.PRODUCT and all(s.cloud is None for s in scenes):
        raise BandMissing(
            f"Neither {scenes[0].name} nor {scenes[1].name} has a cloud layer.",
            pointer="/inputs/cloud_mask",
            value=parameters.cloud_mask.value,
            allowed="auto, none or user; or Sentinel-2 products with their masks",
        )


def mixing_warnings(reference: Scene, secondary: Scene) -> list[str]:
    """Differences between two products that leave traces in the displacement."""
    differences = {
        "orbit": "relative orbits differ: errors of the terrain model show up as displacement, "
        "up to several pixels in mountains",
        "level": "processing levels differ: relief shading differs between them",
        "tile": "tiles differ",
        "band_name": "bands differ",
    }
    found = []
    if None not in (mine := {_refined(reference), _refined(secondary)}) and len(mine) > 1:
        found.append(
            f"Processing baselines {reference.baseline} and {secondary.baseline}: their geometry "
            "differs; take both from one processing."
        )
    for name, meaning in differences.items():
        first, last = getattr(reference, name), getattr(secondary, name)
        if first and last and first != last:
            found.append(f"{first} and {last}: {meaning}.")
    return found


def _refined(scene: Scene) -> bool | None:
    """Whether a Sentinel-2 product is of Collection 1 or later; None where that is not known."""
    return scene.baseline >= "05.00" if scene.baseline else None
