"""Order documents: from bytes that a stranger sent to a checked order, and back to the one text it is kept as.

Belongs here: what every kind of order has in common: limits on its JSON, telling the kinds apart, canonical text,
fingerprint and id. Not here: the fields of a kind (``stack``, ``composite``).
"""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import pydantic
from pydantic import field_validator

from weft.composite_settings import Strict
from weft.errors import RequestError
from weft.fingerprints import fingerprint
from weft.scenes.fields import ITEM_ID

MAX_BYTES = 2_000_000
MAX_DEPTH = 16

_VERSION = 1
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")
_KIND = "order"

AnyOrder = TypeVar("AnyOrder", bound="Order")


class Order(Strict):
    """What every order has.

    A kind of order is a subclass with a field ``order``, the kind's name, whose default is that name.

    Attributes:
        name: id that the customer chooses; made of the order's contents by default.
    """

    mark: ClassVar[str]
    """Field that only this kind of order has: a document that names no kind is told by it."""

    name: str | None = None

    @field_validator("name")
    @classmethod
    def _fit_for_paths(cls, name: str | None) -> str | None:
        if name is not None and not ITEM_ID.fullmatch(name):
            raise ValueError(f"{name[:140]!r} is not made of 1 to 128 letters, digits, '_', '.' and '-'; rename it")
        return name

    @classmethod
    def kind(cls) -> str:
        """``stack`` or ``composite``, the value of the field ``order``."""
        return str(cls.model_fields[_KIND].default)

    @property
    def id(self) -> str:
        """The name, or the first 16 digits of the fingerprint; fit for paths and partition keys."""
        return self.name or self.fingerprint[:16]

    @property
    def fingerprint(self) -> str:
        """64 hex digits; equal for orders of equal meaning, however they were written."""
        return fingerprint("order", _VERSION, document=self._document())

    def canonical(self) -> bytes:
        """The order as JSON with every default written out: reading it again gives an equal order.

        Equal orders give equal bytes.
        """
        text = json.dumps(self._document(), indent=2, sort_keys=True, ensure_ascii=True, allow_nan=False)
        return f"{text}\n".encode("ascii")

    def _document(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_none=True)


def read_order(content: bytes, kinds: Sequence[type[Order]]) -> Order:
    """Check an order document.

    Args:
        content: JSON in UTF-8.
        kinds: the kinds of order there are. The document's ``order`` chooses one; without it, the first whose mark
            the document has.

    Raises:
        RequestError: it is too large or nested too deeply, no JSON object, has a key twice, is of no known kind, or a
            field is wrong. The message names every wrong field.
    """
    document = json_object(content)
    stated = document.get(_KIND)
    for kind in kinds:
        if stated == kind.kind() or (stated is None and kind.mark in document):
            return check(kind, document)
    known = ", ".join(f"{kind.kind()} (it has {kind.mark})" for kind in kinds)
    raise RequestError(f"{_KIND}: {reprlib.repr(stated)} is no kind of order; known: {known}")


def check(model: type[AnyOrder], document: Mapping[str, Any]) -> AnyOrder:
    """An order from values; raises :class:`RequestError` that names every wrong field."""
    try:
        return model.model_validate(document)
    except pydantic.ValidationError as error:
        raise RequestError("; ".join(_sentences(error, model))) from error


def json_object(content: bytes) -> dict[str, Any]:
    """A JSON object from bytes that are not trusted.

    Raises:
        RequestError: it is too large or nested too deeply, not UTF-8, no JSON object, or has a key twice.
    """
    if len(content) > MAX_BYTES:
        raise RequestError(f"it has {len(content)} bytes or more; keep it to {MAX_BYTES}")
    try:
        text = content.decode("utf-8")
        _limit_depth(text)
        document = json.loads(text, object_pairs_hook=_without_repetition, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"it is not JSON in UTF-8: {str(error)[:200]}") from error
    if not isinstance(document, dict):
        raise RequestError(f"it is {reprlib.repr(document)}; write a JSON object")
    return document


def _limit_depth(text: str) -> None:
    """Python's parser recurses, so that depth is looked at before it runs."""
    depth = 0
    for bracket in _BRACKET.finditer(_STRING.sub("", text)):
        depth += 1 if bracket[0] in "[{" else -1
        if depth > MAX_DEPTH:
            raise RequestError(f"it is nested deeper than {MAX_DEPTH} levels; flatten it")


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = sorted({name for name in names if names.count(name) > 1})
        raise RequestError(f"{repeated[0][:80]}: this key is there twice; keep one")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _sentences(error: pydantic.ValidationError, model: type[Order]) -> Iterator[str]:
    for fault in error.errors():
        field = _path(fault["loc"])
        match fault["type"]:
            case "value_error" if not field:  # it is about several fields and names them itself
                yield str(fault["ctx"]["error"])
            case "missing":
                yield f"{field}: is missing"
            case "extra_forbidden" if len(fault["loc"]) == 1:
                yield f"{field}: is no key of a {model.kind()} order; known: {', '.join(model.model_fields)}"
            case "extra_forbidden":
                yield f"{field}: is no known key; remove it"
            case "value_error":
                yield f"{field}: {fault['ctx']['error']}"
            case _:
                yield f"{field}: {fault['msg']}, got {reprlib.repr(fault['input'])[:80]}"


def _path(parts: tuple[int | str, ...]) -> str:
    """``input_reference[2]`` of ("input_reference", 1): datasets are counted from 1, as in ``2.nir``."""
    return "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part[:80]}" for part in parts).removeprefix(".")
