"""What records of reports have in common."""

import math
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict


def _known(value: float | None) -> float | None:
    """JSON has no NaN."""
    return value if value is not None and math.isfinite(value) else None


Known = Annotated[float | None, BeforeValidator(_known)]
"""A figure; null where it is not known, which others write as NaN."""


class Record(BaseModel):
    """Also made from objects with attributes of the same names, by ``model_validate``."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, from_attributes=True
    )
