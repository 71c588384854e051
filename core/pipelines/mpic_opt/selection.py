"""Which rasters a request makes."""

from collections.abc import Mapping

from core.pipelines.mpic_opt.declaration import Extra, MpicOptParameters

ALWAYS = (
    "displacement_east",
    "displacement_north",
    "magnitude",
    "score",
    "sigma_east",
    "sigma_north",
    "forward_backward",
    "reasons",
    "correction_east",
    "correction_north",
)

EXTRAS: Mapping[Extra, tuple[str, ...]] = {
    Extra.RAW: ("displacement_east_raw", "displacement_north_raw"),
    Extra.PIXELS: ("px1", "px2"),
    Extra.SMOOTH: ("displacement_east_smooth", "displacement_north_smooth"),
}


def wanted_layers(parameters: MpicOptParameters) -> tuple[str, ...]:
    """The rasters that these parameters make."""
    extras = (name for extra in parameters.extras for name in EXTRAS[extra])
    return (*ALWAYS, *dict.fromkeys(extras))
