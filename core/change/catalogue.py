"""All features, group by group."""

from collections.abc import Iterator
from functools import partial

from core.change import indices
from core.change.differences import CHANGES, Change, ratio
from core.change.indices import Index
from core.change.quantities import Quantity, quantities
from core.change.scene import IMAGE, Date, Floats
from core.change.schema import Choice, Feature, Given, Group
from core.change.tile import Part
from core.roles import Role

RELIEF_M = (100.0, 400.0)
"""Sides of the windows of position and relief: a hillside's form, and a valley's."""

NARROWEST_PX, WIDEST_PX = 5, 101
"""Of the same."""


def features(given: Given, choice: Choice) -> Iterator[Feature]:
    """The features of the wanted groups that a scene can have, in order."""
    made = {
        Group.BANDS: _bands,
        Group.INDICES: _indices,
        Group.DIFFERENCES: _differences,
        Group.TEXTURE: _texture,
        Group.TOPOGRAPHY: _topography,
        Group.OBJECTS: _objects,
    }
    for group in Group:
        if group in choice.groups:
            yield from made[group](given, choice)


def chosen(given: Given, choice: Choice) -> tuple[tuple[Index, ...], tuple[Index, ...]]:
    """The indices that are made, and those whose bands are not there."""
    roles = dict.fromkeys(given.roles)
    return indices.chosen(choice.indices, roles, physical=given.physical)


def relief_px(pixel_m: float) -> tuple[int, ...]:
    """Sides of the windows of position and relief, odd, ascending."""
    sides = {
        min(max(2 * round(metres / pixel_m / 2) + 1, NARROWEST_PX), WIDEST_PX)
        for metres in RELIEF_M
    }
    return tuple(sorted(sides))


def dates(given: Given) -> tuple[Date, ...]:
    """The dates that a scene has."""
    return (Date.BEFORE, Date.AFTER) if given.before else (Date.AFTER,)


def _unit(unit: str, given: Given) -> str:
    return "1" if unit == IMAGE and given.physical else unit


def _roles(given: Given) -> list[Role]:
    return [role for role in Role if role in given.roles]


def _bands(given: Given, _: Choice) -> Iterator[Feature]:
    for date in dates(given):
        for role in _roles(given):

            def band(part: Part, date: Date = date, role: Role = role) -> Floats:
                return part.bands(date)[role]

            text = f"{role.value} {date.value}"
            yield Feature(
                f"{role.value}_{date.value}", text, _unit(IMAGE, given), Group.BANDS, band
            )


def _indices(given: Given, choice: Choice) -> Iterator[Feature]:
    for index in chosen(given, choice)[0]:

        def after(part: Part, index: Index = index) -> Floats:
            return part.index(index, Date.AFTER)

        unit = _unit(index.unit, given)
        yield Feature(f"{index.name}_after", f"{index.text}, after", unit, Group.INDICES, after)


def _differences(given: Given, choice: Choice) -> Iterator[Feature]:
    if not given.before:
        return
    group, unit = Group.DIFFERENCES, _unit(IMAGE, given)
    for role in _roles(given):
        text = f"{role.value}, after less before"
        yield Feature(f"{role.value}_change", text, unit, group, partial(_step, role=role))
        text = f"{role.value}, difference of the dates over their sum"
        yield Feature(f"{role.value}_ratio", text, "1", group, partial(_ratio, role=role))
    for index in chosen(given, choice)[0]:
        own, text = _unit(index.unit, given), f"{index.text}, after less before"
        yield Feature(f"{index.name}_change", text, own, group, partial(_drift, index=index))
    for change in CHANGES:
        if all(role in given.roles for role in change.roles):
            own = _unit(change.unit, given)
            yield Feature(change.name, change.text, own, group, partial(_changed, change=change))


def _step(part: Part, role: Role) -> Floats:
    return part.bands(Date.AFTER)[role] - part.bands(Date.BEFORE)[role]


def _ratio(part: Part, role: Role) -> Floats:
    return ratio(part.bands(Date.BEFORE)[role], part.bands(Date.AFTER)[role])


def _drift(part: Part, index: Index) -> Floats:
    return part.index(index, Date.AFTER) - part.index(index, Date.BEFORE)


def _changed(part: Part, change: Change) -> Floats:
    return change.function(part.bands(Date.BEFORE), part.bands(Date.AFTER))


def _texture(given: Given, choice: Choice) -> Iterator[Feature]:
    if not choice.windows_px:
        return
    middle = sorted(choice.windows_px)[len(choice.windows_px) // 2]
    for quantity in quantities(before=given.before):
        unit = _unit(quantity.unit, given)
        for side in choice.windows_px:
            for name, text, function in (
                ("contrast", f"less its mean in {side} px", Part.contrast),
                ("deviation", f"standard deviation in {side} px", _deviation),
                ("roughness", f"mean difference of neighbours in {side} px", Part.roughness),
            ):
                if name != "roughness" or side == middle:
                    yield Feature(
                        f"{quantity.name}_{name}_{side}",
                        f"{quantity.text}: {text}",
                        unit,
                        Group.TEXTURE,
                        partial(function, quantity=quantity, side=side),
                    )


def _deviation(part: Part, quantity: Quantity, side: int) -> Floats:
    return part.local(quantity, side).deviation


def _topography(given: Given, _: Choice) -> Iterator[Feature]:
    if not given.height:
        return
    feature = partial(Feature, group=Group.TOPOGRAPHY)
    yield feature("slope", "slope", "deg", function=lambda p: p.slope().slope_deg)
    yield feature("aspect_north", "cosine of the aspect", "1", function=lambda p: p.slope().north)
    yield feature("aspect_east", "sine of the aspect", "1", function=lambda p: p.slope().east)
    text = "curvature down the slope, convex positive"
    yield feature("profile_curvature", text, "1/m", function=lambda p: p.curvature().profile)
    text = "curvature across the slope, convex positive"
    yield feature("plan_curvature", text, "1/m", function=lambda p: p.curvature().plan)
    for side in relief_px(given.pixel_m):
        text = f"height above the mean of {side} px"
        yield feature(f"position_{side}", text, "m", function=partial(_above, side=side))
        text = f"standard deviation of heights in {side} px"
        yield feature(f"relief_{side}", text, "m", function=partial(_relief, side=side))
    for date in dates(given):
        if date in given.suns:
            text = f"cosine of the sun's angle to the ground, {date.value}"
            lit = partial(Part.incidence, date=date)
            yield feature(f"incidence_{date.value}", text, "1", function=lit)
            text = f"cast shadow, {date.value}"
            dark = partial(Part.shadow, date=date)
            yield feature(f"shadow_{date.value}", text, "1", function=dark)
    if given.drainage:
        text = "ground that drains through"
        yield feature("contributing_area", text, "m2", function=lambda p: p.drainage()[0])
        text = "height above the channel"
        yield feature("above_channel", text, "m", function=lambda p: p.drainage()[1])


def _above(part: Part, side: int) -> Floats:
    return part.position(side).above


def _relief(part: Part, side: int) -> Floats:
    return part.position(side).relief


def _objects(given: Given, _: Choice) -> Iterator[Feature]:
    feature = partial(Feature, group=Group.OBJECTS)
    for quantity in quantities(before=given.before):
        unit = _unit(quantity.unit, given)
        name, text = f"segment_{quantity.name}", f"{quantity.text}: mean of the segment"
        yield feature(name, text, unit, function=partial(_mean, quantity=quantity))
        text = f"{quantity.text}: standard deviation in the segment"
        within = partial(_within, quantity=quantity)
        yield feature(f"{name}_deviation", text, unit, function=within)
        text = f"{quantity.text}: mean of the segment less that of its neighbours"
        apart = partial(_apart, quantity=quantity)
        yield feature(f"{name}_contrast", text, unit, function=apart)
    for name, text, unit in (
        ("area_m2", "area of the segment", "m2"),
        ("elongation", "elongation of the segment", "1"),
        ("compactness", "part of its rectangle that the segment fills", "1"),
        ("along_slope", "part of the segment's extent that lies down the slope", "1"),
    ):
        if given.height or name != "along_slope":
            form = partial(_form, name=name)
            yield feature(f"segment_{name}", text, unit, function=form)
    if given.height:
        text = "mean slope of the segment"
        yield feature("segment_slope", text, "deg", function=_steep)


def _mean(part: Part, quantity: Quantity) -> Floats:
    return part.of_segments(part.tile.spreads[quantity.name].mean)


def _within(part: Part, quantity: Quantity) -> Floats:
    return part.of_segments(part.tile.spreads[quantity.name].deviation)


def _apart(part: Part, quantity: Quantity) -> Floats:
    return part.of_segments(part.tile.contrasts[quantity.name])


def _form(part: Part, name: str) -> Floats:
    return part.of_segments(getattr(part.tile.forms[0], name))


def _steep(part: Part) -> Floats:
    slopes = part.tile.forms[1]
    if slopes is None:
        raise ValueError("slopes of segments need heights")
    return part.of_segments(slopes.mean)
