"""The stack order: datasets to register onto one reference asset, and band arithmetic on the stack.

Belongs here: the model, which accepts a request of the ESA Charter Mapper's Co-Register service word for word, and
what can be judged without knowing the datasets. Not here: judging it against them (``stack_plan``), or JSON
(``document``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_serializer, field_validator, model_validator
from shapely.geometry import MultiPolygon

from weft.errors import RequestError
from weft.expressions import Expression, parse
from weft.expressions.scaling import Scaling
from weft.expressions.streaming import check_together
from weft.orders.aoi import parse_aoi
from weft.orders.document import Order
from weft.registration.settings import Registering

MAX_DATASETS = 100
MAX_BANDS = 500
MAX_EXPRESSIONS = 50

RESERVED = re.compile(
    r"(overview|thumbnail|order|report|visual|metadata|flicker|quiver|registration|tie_points|displacement|magnitude)"
    r"([_.-].*)?",
    re.IGNORECASE,
)
"""Asset keys of a stack that are not for expressions; those of its bands (``1.nir``) begin with a digit."""

_BAND = re.compile(r"([1-9][0-9]{0,3})\.([A-Za-z][A-Za-z0-9_]{0,63})")
_OUTPUT = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_ITEM = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}/)?[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}")
_URL = re.compile(r"(?:https?|s3|file):[\x21-\x7e]+", re.IGNORECASE)
_BETWEEN = re.compile(r"[,;\n]")
_ONLY_SNAP = ("warp_order", "rms_threshold")


@dataclass(frozen=True, slots=True, order=True)
class BandRef:
    """One band of one dataset of an order, written ``1.nir``.

    Attributes:
        dataset: 1-based index into ``input_reference``.
        name: Common Band Name, or key of an asset.
    """

    dataset: int
    name: str

    def __str__(self) -> str:
        """As in an order."""
        return f"{self.dataset}.{self.name}"

    @classmethod
    def parse(cls, text: str) -> BandRef:
        """Inverse of ``str``; raises :class:`RequestError` if the text is malformed."""
        found = _BAND.fullmatch(text)
        if found is None:
            hint = "remove the spaces" if re.search(r"\s", text) else "write the number of the dataset, a point, a name"
            raise RequestError(f"{text[:80]!r} is no band such as 1.nir or 2.s0_db_c_vv; {hint}")
        return cls(int(found[1]), found[2])


class StackOrder(Order):
    """An order for a co-registered stack.

    Attributes:
        order: kind of the document; may be left out.
        input_reference: item ids, alone or after their collection and a slash, or URLs of items; they are the
            datasets 1, 2, ...
        bands: bands of the stack; in JSON one text with commas or a list.
        reference_asset: the one of the bands that all other datasets are registered to.
        aoi: WKT or GeoJSON; by default what the reference and all datasets have in common.
        s_expressions: ``name:expression`` over the bands; in JSON a list, or one text with commas, semicolons or line
            breaks between them.
        scaling: how results of expressions are stored, by name; one that is not named is float32.
        coregistration: how datasets are registered, and what proves it.
    """

    mark: ClassVar[str] = "input_reference"

    order: Literal["stack"] = "stack"
    input_reference: Annotated[tuple[str, ...], Field(min_length=1, max_length=MAX_DATASETS)]
    bands: Annotated[tuple[str, ...], Field(min_length=1, max_length=MAX_BANDS)]
    reference_asset: str
    aoi: str | dict[str, Any] | None = None
    s_expressions: Annotated[tuple[str, ...], Field(max_length=MAX_EXPRESSIONS)] = ()
    scaling: dict[str, Scaling] = Field(default={})
    coregistration: Registering = Registering()

    @field_validator("input_reference")
    @classmethod
    def _references(cls, references: tuple[str, ...]) -> tuple[str, ...]:
        for number, reference in enumerate(references, start=1):
            if len(reference) > 2048 or not (_ITEM.fullmatch(reference) or _URL.fullmatch(reference)):
                raise ValueError(
                    f"dataset {number} is {reference[:80]!r}; give the id of an item, collection/id, or the URL of an "
                    "item (https, s3 or file)"
                )
            if reference in references[: number - 1]:
                raise ValueError(f"dataset {number} repeats {reference[:80]!r}; name each dataset once")
        return references

    @field_validator("bands", mode="before")
    @classmethod
    def _split_bands(cls, bands: object) -> object:
        return bands.split(",") if isinstance(bands, str) else bands

    @field_validator("bands")
    @classmethod
    def _band_names(cls, bands: tuple[str, ...]) -> tuple[str, ...]:
        for number, band in enumerate(bands):
            _band(band)
            if _key(band) in map(_key, bands[:number]):
                raise ValueError(f"{band} is there twice; name each band once")
        return bands

    @field_validator("reference_asset")
    @classmethod
    def _one_band(cls, reference: str) -> str:
        _band(reference)
        return reference

    @field_validator("aoi")
    @classmethod
    def _area(cls, aoi: str | dict[str, Any] | None) -> str | dict[str, Any] | None:
        if aoi is None or aoi == "":  # what a form sends whose field was left empty
            return None
        try:
            parse_aoi(aoi)
        except RequestError as error:
            raise ValueError(str(error).removeprefix("aoi: ")) from error
        return aoi

    @field_validator("s_expressions", mode="before")
    @classmethod
    def _split_expressions(cls, expressions: object) -> object:
        if isinstance(expressions, str):
            return [text for text in _BETWEEN.split(expressions) if text.strip()]
        return () if expressions is None else expressions

    @field_validator("s_expressions")
    @classmethod
    def _named_expressions(cls, expressions: tuple[str, ...]) -> tuple[str, ...]:
        try:
            _expressions(expressions)
        except RequestError as error:
            raise ValueError(str(error)) from error
        return tuple(expression.strip() for expression in expressions)

    @model_validator(mode="after")
    def _consistent(self) -> StackOrder:
        known, count = set(self.band_refs), len(self.input_reference)
        for band in self.band_refs:
            if band.dataset > count:
                raise ValueError(f"bands: {band} is of dataset {band.dataset}; there are {count} in input_reference")
        if self.reference not in known:
            raise ValueError(
                f"reference_asset: {self.reference} is none of the bands {','.join(self.bands)}; add it or choose one"
            )
        self._check_expressions()
        if self.coregistration.pairing and self.coregistration.method == "stack":
            raise ValueError("coregistration.pairing: method stack matches no bands; remove it, or choose a method")
        for index in self.coregistration.pairing:
            if int(index) > count or int(index) == self.reference.dataset:
                raise ValueError(
                    f"coregistration.pairing: dataset {index} is "
                    f"{'the one of the reference asset' if int(index) <= count else 'not in input_reference'}; pairs "
                    "are for the others, by their number"
                )
        return self

    def _check_expressions(self) -> None:
        try:
            check_together(self.expressions.values())
        except RequestError as error:
            raise ValueError(f"s_expressions: {error}") from error
        for name, expression in self.expressions.items():
            if strangers := sorted(expression.names - set(self.bands)):
                raise ValueError(
                    f"s_expressions: {name} uses {', '.join(strangers)}, none of the bands {','.join(self.bands)}; "
                    "add it to bands or correct it"
                )
        if strangers := sorted(self.scaling.keys() - self.expressions.keys()):
            raise ValueError(
                f"scaling: {', '.join(strangers)} is no name of s_expressions; they are {', '.join(self.expressions)}"
            )

    @field_serializer("bands")
    def _joined(self, bands: tuple[str, ...]) -> str:
        return ",".join(bands)

    @field_serializer("coregistration")
    def _registering(self, settings: Registering) -> dict[str, Any]:
        document = settings.model_dump(mode="json", exclude_none=True)
        # These two are refused beside any other model, even with their default values.
        return {key: value for key, value in document.items() if settings.model == "snap" or key not in _ONLY_SNAP}

    @property
    def band_refs(self) -> tuple[BandRef, ...]:
        """The bands, in the order's order."""
        return tuple(map(BandRef.parse, self.bands))

    @property
    def reference(self) -> BandRef:
        """The reference asset."""
        return BandRef.parse(self.reference_asset)

    @property
    def expressions(self) -> Mapping[str, Expression]:
        """Output name to expression."""
        return _expressions(self.s_expressions)

    @property
    def area(self) -> MultiPolygon | None:
        """The area of interest, EPSG:4326."""
        return None if self.aoi is None else parse_aoi(self.aoi)


def _key(name: str) -> str:
    """Names that differ only in case or punctuation would come to one file."""
    return re.sub(r"[^a-z0-9]", "_", name.lower())


def _band(text: str) -> BandRef:
    try:
        return BandRef.parse(text)
    except RequestError as error:
        raise ValueError(str(error)) from error


def _expressions(texts: tuple[str, ...]) -> dict[str, Expression]:
    found: dict[str, Expression] = {}
    for text in texts:
        name, colon, body = (part.strip() for part in text.partition(":"))
        if not colon or not _OUTPUT.fullmatch(name):
            raise RequestError(
                f"{text[:80]!r} does not begin with a name and a colon; write average:(mean 1.nir 2.nir)"
            )
        if RESERVED.fullmatch(name):
            raise RequestError(f"{name} is the name of something every stack has; choose another")
        if _key(name) in map(_key, found):
            raise RequestError(f"{name} is there twice; give each expression a name of its own")
        try:
            found[name] = parse(body)
        except RequestError as error:
            raise RequestError(f"{name}: {error}") from error
        if not found[name].names:
            raise RequestError(f"{name} uses no band; write one such as 1.nir in it")
    return found
