"""Houses and cars along a plan of streets."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from core.simulate.stereo.rays import Points
from core.simulate.stereo.solids import CAR, METAL_ROOF, PLAIN_ROOF, TILED_ROOF, Box

FLOOR_M = 3.1
CARS_PER_BLOCK = 2.5


class Plan(NamedTuple):
    """Streets at equal distances, turned against the lattice.

    Parameters
    ----------
    size
        Metres from west to east and from south to north.
    pitch, street
        From street to street, and their width.
    turn
        Cosine and sine of their direction.
    height
        Of the ground at local points.
    """

    size: tuple[float, float]
    pitch: tuple[float, float]
    street: float
    turn: tuple[float, float]
    height: Callable[[Points, Points], Points]

    def local(self, u: float, v: float) -> tuple[float, float]:
        """Metres east and north of the origin, from metres along and across the streets."""
        return u * self.turn[0] - v * self.turn[1], u * self.turn[1] + v * self.turn[0]

    def inside(self, x: float, y: float, margin: float = 40.0) -> bool:
        """Whether a point lies on the ground, so far from its border."""
        limits = zip((x, y), self.size, strict=True)
        return all(margin < value < size - margin for value, size in limits)

    @property
    def turn_deg(self) -> float:
        """Direction of the streets, anticlockwise from east."""
        return float(np.degrees(np.arctan2(self.turn[1], self.turn[0])))


class _Block(NamedTuple):
    """Built-up ground between streets, in metres along and across them."""

    u: float
    v: float
    length: float
    width: float


def _blocks(plan: Plan) -> Iterator[_Block]:
    (size_x, size_y), (pitch_u, pitch_v) = plan.size, plan.pitch
    reach = int((size_x + size_y) / min(pitch_u, pitch_v)) + 2
    for i in range(-reach, reach):
        for j in range(-reach, reach):
            u, v = i * pitch_u + plan.street, j * pitch_v + plan.street
            block = _Block(u, v, pitch_u - plan.street, pitch_v - plan.street)
            if plan.inside(*plan.local(u + block.length / 2, v + block.width / 2)):
                yield block


class _House(NamedTuple):
    """A building in metres along and across the streets; `height` is that of its eaves."""

    u: float
    v: float
    turned: bool
    length: float
    width: float
    height: float
    rise: float
    roof: float
    wall: float
    kind: int
    seed: float


def town(plan: Plan, lot: np.random.Generator) -> list[Box]:
    """Houses of 5 to 40 m: terraces, towers, halls, villas; a few blocks are empty."""
    boxes: list[Box] = []
    makers = (_terraces, _tower, _halls, _villas, _metal, _empty)
    for block in _blocks(plan):
        make = makers[lot.choice(len(makers), p=(0.30, 0.26, 0.12, 0.20, 0.04, 0.08))]
        boxes += [_placed(plan, house) for house in make(block, lot)]
    return boxes


def _placed(plan: Plan, house: _House) -> Box:
    x, y = plan.local(house.u, house.v)
    ground = float(plan.height(np.array([x]), np.array([y]))[0])
    turn = plan.turn_deg + (90.0 if house.turned else 0.0)
    return Box(
        *(x, y, turn, house.length, house.width, ground + house.height, house.rise),
        *(house.roof, house.wall, house.kind, house.seed),
    )


def _terraces(block: _Block, lot: np.random.Generator) -> list[_House]:
    """Two rows of the same house again and again."""
    width, depth = 7.5, 11.0
    height, rise = float(lot.uniform(5.5, 9.5)), float(lot.uniform(2.0, 3.5))
    roof, wall, seed = (
        float(lot.uniform(650, 950)),
        float(lot.uniform(800, 1300)),
        float(lot.random()),
    )
    houses = []
    for k in range(int(block.length / width)):
        for v in (depth / 2 + 2, block.width - depth / 2 - 2):
            u = block.u + (k + 0.5) * width
            house = _House(
                u, block.v + v, True, depth, width, height, rise, roof, wall, TILED_ROOF, seed
            )
            houses.append(house)
    return houses


def _tower(block: _Block, lot: np.random.Generator) -> list[_House]:
    """Flat roofs with what stands on them: lifts, fans, a parapet's corner."""
    houses = []
    for half in range(2):
        height = FLOOR_M * float(lot.integers(3, 13))
        length, width = block.length / 2 - 8, block.width - float(lot.uniform(8, 22))
        u, v = block.u + (0.5 + half) * block.length / 2, block.v + block.width / 2
        roof, wall = float(lot.uniform(450, 1500)), float(lot.uniform(600, 1400))
        seed = float(lot.random())
        house = _House(u, v, False, length, width, height, 0.0, roof, wall, PLAIN_ROOF, seed)
        houses.append(house)
        for _ in range(int(lot.integers(2, 9))):
            side = float(lot.uniform(1.2, 4.0))
            houses.append(
                house._replace(
                    u=u + float(lot.uniform(-0.4, 0.4)) * length,
                    v=v + float(lot.uniform(-0.4, 0.4)) * width,
                    length=side,
                    width=side * float(lot.uniform(0.6, 1.0)),
                    height=height + float(lot.uniform(1.0, 3.0)),
                    roof=float(lot.uniform(400, 1900)),
                )
            )
    return houses


def _halls(block: _Block, lot: np.random.Generator) -> list[_House]:
    """Gables side by side over the whole block, all alike."""
    count = 5
    width = block.width / count
    height, roof = float(lot.uniform(5.0, 9.0)), float(lot.uniform(700, 1300))
    seed = float(lot.random())
    return [
        _House(
            block.u + block.length / 2,
            block.v + (k + 0.5) * width,
            *(False, block.length - 6, width, height, 2.2, roof, 900.0, TILED_ROOF, seed),
        )
        for k in range(count)
    ]


def _villas(block: _Block, lot: np.random.Generator) -> list[_House]:
    """Houses in gardens."""
    return [
        _House(
            block.u + (k + 0.5) * block.length / 3 + float(lot.uniform(-2, 2)),
            block.v + (row + 0.5) * block.width / 2 + float(lot.uniform(-2, 2)),
            bool(lot.random() < 0.5),
            float(lot.uniform(9, 14)),
            float(lot.uniform(7, 10)),
            float(lot.uniform(5.0, 7.0)),
            float(lot.uniform(1.5, 3.0)),
            float(lot.uniform(600, 1000)),
            float(lot.uniform(900, 1500)),
            TILED_ROOF,
            float(lot.random()),
        )
        for k in range(3)
        for row in range(2)
    ]


def _metal(block: _Block, lot: np.random.Generator) -> list[_House]:
    """A hall whose roof blinds the sensor."""
    return [
        _House(
            block.u + block.length / 2,
            block.v + block.width / 2,
            *(False, block.length * 0.7, block.width * 0.6, float(lot.uniform(7, 12)), 0.0),
            *(800.0, 900.0, METAL_ROOF, float(lot.random())),
        )
    ]


def _empty(block: _Block, lot: np.random.Generator) -> list[_House]:
    del block, lot
    return []


def fleet(plan: Plan, lot: np.random.Generator) -> list[Box]:
    """Cars on the streets, in lanes."""
    cars = []
    for block in _blocks(plan):
        for _ in range(int(lot.poisson(CARS_PER_BLOCK))):
            lane = float(lot.choice((0.32, 0.68))) * plan.street
            if lot.random() < 0.5:
                place = plan.local(
                    block.u + float(lot.uniform(0, block.length)), block.v - plan.street + lane
                )
                turn = plan.turn_deg
            else:
                place = plan.local(
                    block.u - plan.street + lane, block.v + float(lot.uniform(0, block.width))
                )
                turn = plan.turn_deg + 90.0
            ground = float(plan.height(np.array([place[0]]), np.array([place[1]]))[0])
            tone = float(lot.choice((250.0, 500.0, 1500.0, 2200.0)))
            cars.append(Box(*place, turn, 4.4, 1.8, ground + 1.45, 0.0, tone, tone * 0.6, CAR, 0.0))
    return cars
