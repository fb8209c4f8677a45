"""What a Sentinel-2 L2A item is: pass, segment, tile, track, processing.

Belongs here: identity, from properties and from ESA's own names. Not here: pixels and bands
(``weft.scenes.sentinel2``).

Archives differ in which properties they set, but most hand on ESA's identifiers of product, datatake, datastrip and
granule (Sentinel-2 Products Specification Document, naming conventions), which state the identity once more and fill
what the properties leave open.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from weft.errors import SceneRejected
from weft.scenes.fields import Fields
from weft.stac import Item

T = TypeVar("T")

_STAMP = "%Y%m%dT%H%M%S"
_TIME = r"\d{8}T\d{6}"
_SATELLITE = r"(?P<satellite>S2[A-D])"
_TILE = r"(?P<tile>\d{2}[C-HJ-NP-X][A-HJ-NP-Z]{2})"
_BASELINE = r"(?P<baseline>\d\d\.\d\d)"
_PRODUCT = (
    rf"{_SATELLITE}_MSI(?P<level>L1C|L2A)_(?P<start>{_TIME})_N(?P<baseline>\d{{4}})_R(?P<orbit>\d{{3}})"
    rf"_T{_TILE}_(?P<processed>{_TIME})(\.SAFE)?"
)
_GRANULE = (
    rf"{_SATELLITE}_OPER_MSI_L\w\w_TL_\w{{4}}_(?P<processed>{_TIME})_A(?P<absolute>\d{{6}})_T{_TILE}_N{_BASELINE}"
)
# Where two names state the same fact, the earlier in this list is believed.
_NAMES = (
    ("s2:datatake_id", rf"G{_SATELLITE}_(?P<start>{_TIME})_(?P<absolute>\d{{6}})_N{_BASELINE}"),
    ("s2:product_uri", _PRODUCT),
    ("sentinel:product_id", _PRODUCT),
    ("s2:datastrip_id", rf"{_SATELLITE}_OPER_MSI_L\w\w_DS_\w{{4}}_{_TIME}_S(?P<segment>{_TIME})_N{_BASELINE}"),
    ("s2:tile_id", _GRANULE),
    ("s2:granule_id", _GRANULE),
)
_MGRS = re.compile(r"(?:MGRS-|T)?(\d{1,2})([C-HJ-NP-X])([A-HJ-NP-Z]{2})")
_PLATFORM = re.compile(r"sentinel-2[a-d]")
_TRACKS = 143
# What Sen2Cor writes outside ESA's ground segment. It is no processing baseline: neither age nor offset follow from it.
_NO_BASELINE = "99.99"


@dataclass(frozen=True, slots=True)
class _Phase:
    first: int
    last: int
    shift: int


# Relative orbit = (absolute + shift) mod 143 + 1. The shifts reproduce every data take of ESA's acquisition plans of
# winter 2024/25 and every older product tried. They hold while a satellite keeps its place in the constellation: S2A
# was moved in 2025 and S2C reached its place shortly before the first orbit given here.
_PHASES = {
    "sentinel-2a": _Phase(1, 49_514, 2),
    "sentinel-2b": _Phase(1, 999_999, -27),
    "sentinel-2c": _Phase(2_210, 999_999, 29),
}


@dataclass(frozen=True, slots=True)
class Identity:
    """Identity of one granule; the attributes mean what they mean in :class:`~weft.scenes.scene.Scene`.

    Attributes:
        platform: ``sentinel-2a``.
        acquired: time of the item, UTC.
        datatake: ``GS2B_20190629T212529_012081``; parts the item does not tell are left out.
        segment: ``20190629T212530``.
        tile: ``06VVN``.
        track: ``R043``.
        baseline: ``02.12``, None if unknown.
        processed: processing time, UTC, None if unknown.
        product: ESA's product name, None if unknown.
    """

    platform: str
    acquired: datetime
    datatake: str
    segment: str
    tile: str
    track: str
    baseline: str | None
    processed: datetime | None
    product: str | None


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where and when a scene was taken as far as an item, possibly a broken one, tells; None where it does not."""

    tile: str | None
    track: str | None
    acquired: datetime | None


def identity_of(item: Fields) -> Identity:
    """Identity of an item.

    Raises:
        SceneRejected: it is not Level-2A, or a part that must be known is missing or malformed; the reason names it.
    """
    facts = _Facts.of(item)
    if facts.stated.get("level") == "L1C" or facts.properties.text("s2:product_type") == "S2MSI1C":
        raise SceneRejected(item.scene_id, "it is a Level-1C product; give the id of a Level-2A collection")
    acquired = facts.need(facts.properties.moment("datetime"), "datetime")
    return Identity(
        platform=facts.platform(),
        acquired=acquired,
        datatake=facts.datatake(),
        # Without a datastrip the item's time is the granule's own sensing time, which reprocessings share. An archive's
        # sequence number is no substitute: Earth Search counts reprocessed duplicates and split granules alike.
        segment=facts.stated.get("segment") or acquired.strftime(_STAMP),
        tile=facts.need(facts.tile(), "s2:mgrs_tile or grid:code"),
        track=facts.need(facts.track(), "sat:relative_orbit"),
        baseline=facts.baseline(),
        processed=facts.processed(),
        product=facts.stated.get("product"),
    )


def whereabouts(item: Item) -> Whereabouts:
    """Tile, track and time of an item; what cannot be read is None, nothing is raised."""
    facts = _told(lambda: _Facts.of(Fields("", "item", item)))
    if facts is None:
        return Whereabouts(None, None, None)
    return Whereabouts(_told(facts.tile), _told(facts.track), _told(lambda: facts.properties.moment("datetime")))


def _told(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except SceneRejected:
        return None


@dataclass(frozen=True, slots=True)
class _Facts:
    """An item's properties, and what ESA's names among them state."""

    properties: Fields
    stated: dict[str, str]

    @classmethod
    def of(cls, item: Fields) -> _Facts:
        properties = item.object("properties")
        if properties is None:
            raise SceneRejected(item.scene_id, "it has no properties; ask the archive for the full item")
        stated: dict[str, str] = {}
        for key, pattern in _NAMES:
            match = re.fullmatch(pattern, properties.text(key) or "")
            if match:
                found = match.groupdict() | ({"product": match[0]} if pattern is _PRODUCT else {})
                stated = found | stated
        return cls(properties, stated)

    def need(self, value: T | None, key: str) -> T:
        if value is None:
            raise SceneRejected(self.properties.scene_id, f"it does not tell its {key}, nor does its product name")
        return value

    def platform(self) -> str:
        name = (self.properties.text("platform") or "").lower()
        if not name and "satellite" in self.stated:
            name = f"sentinel-{self.stated['satellite'][1:].lower()}"
        if not _PLATFORM.fullmatch(name):
            raise self.properties.refuse("platform", "sentinel-2a, -2b, -2c or -2d")
        return name

    def datatake(self) -> str:
        parts = [self.stated[name] for name in ("start", "absolute") if name in self.stated]
        if parts:
            return "_".join([f"G{self.stated['satellite']}", *parts])
        # Without any of ESA's names: a satellite flies a track once in ten days, so track and day tell the datatake.
        track = self.need(self.track(), "s2:datatake_id or sat:relative_orbit")
        day = self.need(self.properties.moment("datetime"), "datetime")
        return f"G{self.platform().upper().replace('SENTINEL-', 'S')}_{day:%Y%m%d}_{track}"

    def tile(self) -> str | None:
        codes = [self.properties.text("s2:mgrs_tile"), self.properties.text("grid:code")]
        for prefix in ("mgrs", "sentinel"):
            zone = self.properties.count(f"{prefix}:utm_zone", least=1, most=60)
            letters = [self.properties.text(f"{prefix}:{name}") for name in ("latitude_band", "grid_square")]
            codes.append("".join([str(zone), *(one or "" for one in letters)]) if zone else None)
        for code in (*codes, self.stated.get("tile")):
            match = _MGRS.fullmatch(code or "")
            if match and 1 <= int(match[1]) <= 60:
                return f"{int(match[1]):02d}{match[2]}{match[3]}"
        return None

    def track(self) -> str | None:
        orbit = self.properties.count("sat:relative_orbit", least=1, most=_TRACKS)
        if orbit is None and "orbit" in self.stated and 1 <= int(self.stated["orbit"]) <= _TRACKS:
            orbit = int(self.stated["orbit"])
        if orbit is None and "absolute" in self.stated:
            absolute = int(self.stated["absolute"])
            phase = _PHASES.get(self.platform())
            if phase and phase.first <= absolute <= phase.last:
                orbit = (absolute + phase.shift) % _TRACKS + 1
        return None if orbit is None else f"R{orbit:03d}"

    def baseline(self) -> str | None:
        baseline = self.properties.text("s2:processing_baseline")
        if baseline is not None and not re.fullmatch(r"\d\d\.\d\d", baseline):
            raise self.properties.refuse("s2:processing_baseline", "two digits, a point, two digits (05.09)")
        if baseline is None and "baseline" in self.stated:
            digits = self.stated["baseline"].replace(".", "")
            baseline = f"{digits[:2]}.{digits[2:]}"
        return None if baseline == _NO_BASELINE else baseline

    def processed(self) -> datetime | None:
        return self.properties.moment("s2:generation_time") or self._stamp() or self.properties.moment("created")

    def _stamp(self) -> datetime | None:
        stamp = self.stated.get("processed")
        try:
            return datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC) if stamp else None
        except ValueError as error:
            raise SceneRejected(
                self.properties.scene_id, f"its product or granule name was made at {stamp}, which is no time"
            ) from error
