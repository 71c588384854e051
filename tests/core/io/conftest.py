"""Products made for tests: the layout and the names of the real ones, other pixels."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

JP2 = {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES", "YCBCR420": "NO"}

PRODUCT_XML = """<?xml version="1.0" encoding="UTF-8"?>
<n1:Level-{level}_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/x.xsd">
 <n1:General_Info><Product_Info>
  <PROCESSING_LEVEL>Level-{level}</PROCESSING_LEVEL>
  <PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>
  <Datatake><SPACECRAFT_NAME>Sentinel-2A</SPACECRAFT_NAME>
   <SENSING_ORBIT_NUMBER>32</SENSING_ORBIT_NUMBER></Datatake>
  <Granule><IMAGE_FILE>{image_file}</IMAGE_FILE></Granule>
 </Product_Info></n1:General_Info>
</n1:Level-{level}_User_Product>
"""

TILE_XML = """<?xml version="1.0" encoding="UTF-8"?>
<n1:Level-{level}_Tile_ID xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/y.xsd">
 <n1:General_Info>
  <TILE_ID>S2A_OPER_MSI_L{level}_TL_VGS4_20210713T054224_A031632_T48LWP_N03.01</TILE_ID>
  <SENSING_TIME>2021-07-13T03:21:04.397174Z</SENSING_TIME>
 </n1:General_Info>
 <n1:Geometric_Info><Tile_Geocoding>
  <Size resolution="10"><NROWS>{rows}</NROWS><NCOLS>{rows}</NCOLS></Size>
 </Tile_Geocoding></n1:Geometric_Info>
</n1:Level-{level}_Tile_ID>
"""

CLOUDS_GML = """<?xml version="1.0" encoding="UTF-8"?>
<eop:Mask xmlns:eop="http://www.opengis.net/eop/2.0" xmlns:gml="http://www.opengis.net/gml/3.2">
 <gml:boundedBy><gml:Envelope srsName="urn:ogc:def:crs:EPSG:8.7:32748"/></gml:boundedBy>
 <eop:maskMembers><eop:MaskFeature><eop:maskType>OPAQUE</eop:maskType><eop:extentOf>
  <gml:Polygon><gml:exterior><gml:LinearRing>
   <gml:posList srsDimension="2">{ring}</gml:posList>
  </gml:LinearRing></gml:exterior></gml:Polygon>
 </eop:extentOf></eop:MaskFeature></eop:maskMembers>
</eop:Mask>
"""


RING = "499980 8900020 500280 8900020 500280 8899720 499980 8899720 499980 8900020"
"""The first 30 rows and columns of 10 m."""


@dataclass
class Safe:
    """Writes a compact product as a .SAFE folder."""

    folder: Path
    level: str = "1C"
    baseline: str = "03.01"
    rows: int = 60
    bands: tuple[str, ...] = ("B02", "B04", "B8A")
    image_file: str = "GRANULE/g/IMG_DATA/T48LWP_20210713T032051_B04"
    granules: tuple[str, ...] = ("L1C_T48LWP_A031632_20210713T032054",)
    root: Path = field(init=False)

    def __post_init__(self):
        bb = self.baseline.replace(".", "")
        name = f"S2A_MSIL{self.level}_20210713T032051_N{bb}_R032_T48LWP_20210713T054224.SAFE"
        self.root = self.folder / name
        for granule in self.granules:
            self._granule(self.root / "GRANULE" / granule)
        text = PRODUCT_XML.format(
            level=self.level, baseline=self.baseline, image_file=self.image_file
        )
        (self.root / f"MTD_MSIL{self.level}.xml").write_text(text)

    @property
    def granule(self):
        return self.root / "GRANULE" / self.granules[0]

    def _granule(self, granule):
        for folder in ("IMG_DATA", "QI_DATA"):
            (granule / folder).mkdir(parents=True)
        text = TILE_XML.format(level=self.level, rows=self.rows)
        (granule / "MTD_TL.xml").write_text(text)
        for number, band in enumerate(self.bands):
            self.write(granule, self.place(band), self.pixels(number), 10)
        self.write(granule, "QI_DATA/T48LWP_20210713T032051_PVI.jp2", self.pixels(9), 10)

    def place(self, band):
        stem = f"IMG_DATA/R10m/T48LWP_20210713T032051_{band}_10m"
        plain = f"IMG_DATA/T48LWP_20210713T032051_{band}"
        return f"{stem if self.level == '2A' else plain}.jp2"

    def pixels(self, number):
        """A ramp with a margin of zeros and one saturated pixel; 100 more for each band."""
        image = np.arange(self.rows * self.rows, dtype=np.uint16).reshape(self.rows, -1) + 1000
        image += np.uint16(100 * number)
        image[:, :4] = 0
        image[10, 10] = 65535
        return image

    def write(self, granule, place, image, size, **profile):
        path = granule / place
        path.parent.mkdir(parents=True, exist_ok=True)
        cube = image if image.ndim == 3 else image[None]
        with rasterio.open(
            path,
            "w",
            count=cube.shape[0],
            height=cube.shape[1],
            width=cube.shape[2],
            dtype=cube.dtype.name,
            crs="EPSG:32748",
            transform=from_origin(499980, 8900020, size, size),
            **(JP2 | profile),
        ) as target:
            target.write(cube)
        return path

    def clouds_gml(
        self, ring="499980 8900020 500280 8900020 500280 8899720 499980 8899720 499980 8900020"
    ):
        path = self.granule / "QI_DATA" / "MSK_CLOUDS_B00.gml"
        path.write_text(CLOUDS_GML.format(ring=ring))
        return path


@pytest.fixture
def safe(tmp_path):
    """Make a compact Sentinel-2 product: safe(level=…, baseline=…)."""
    return lambda **options: Safe(tmp_path / "product", **options)
