"""Settings of SNAP's co-registration graphs, as ICEYE's container takes them, in our own words.

Belongs here: reading such a configuration and what each key means here. Not here: SNAP's algorithms, or the command
(``pipelines.cli.coregister``).

SNAP interpolates a correlation by a whole factor and repeats until the step is below a tolerance; matching here refines
continuously, so that those keys have nothing to set. What sets nothing is named in a warning.
"""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weft.errors import RequestError
from weft.orders.document import MAX_BYTES, json_object
from weft.registration.settings import Registering

_LEAST_SPACING, _MOST_SPACING = 4, 2048
_LINE = re.compile(r"([A-Za-z_][A-Za-z0-9_.]*)\s*[=:]\s*(.*)")
_TRUE, _FALSE = ("true", "yes", "1"), ("false", "no", "0")

# SNAP's names without case, punctuation and "interpolation". Its cubic convolution over six points and its sinc over 8
# and 16 have no exact twin here; the nearest kind is taken.
_KERNELS = {
    "nearest": ("nearest", "nearestneighbor", "nearestneighbour"),
    "bilinear": ("bilinear",),
    "cubic": (
        *("cubic", "bicubic", "bicubic2", "cubicconvolution", "cc4p", "cc6p"),
        *("cubicconvolution4points", "cubicconvolution6points"),
    ),
    "lanczos": (
        *("lanczos", "ts6p", "ts8p", "ts16p", "bisinc5point", "bisinc11point", "bisinc21point"),
        *("truncatedsinc6points", "truncatedsinc8points", "truncatedsinc16points"),
    ),
}
_KERNEL_OF = {spelling: kernel for kernel, spellings in _KERNELS.items() for spelling in spellings}

_CONTINUOUS = "matching is refined continuously, without steps"
_COMPLEX = "it is for complex (SLC) products"
_TERRAIN = "it is for dem_assisted, which comes with radar geometry in a later step"
_ALL_BANDS = "every band of a file is taken"
WITHOUT_MEANING: dict[str, str] = {
    "rowInterpFactor": _CONTINUOUS,
    "columnInterpFactor": _CONTINUOUS,
    "maxIteration": _CONTINUOUS,
    "gcpTolerance": _CONTINUOUS,
    "applyFineRegistration": _COMPLEX,
    "inSAROptimized": _COMPLEX,
    "fineRegistrationWindowWidth": _COMPLEX,
    "fineRegistrationWindowHeight": _COMPLEX,
    "fineRegistrationWindowAccAzimuth": _COMPLEX,
    "fineRegistrationWindowAccRange": _COMPLEX,
    "fineRegistrationOversampling": _COMPLEX,
    "coherenceWindowSize": _COMPLEX,
    "coherenceThreshold": _COMPLEX,
    "useSlidingWindow": _COMPLEX,
    "demName": _TERRAIN,
    "demRefinement": _TERRAIN,
    "demResamplingMethod": _TERRAIN,
    "externalDEMFile": _TERRAIN,
    "externalDEMNoDataValue": _TERRAIN,
    "maskOutAreaWithoutElevation": _TERRAIN,
    "tileExtensionPercent": _TERRAIN,
    "onlyGCPsOnLand": "windows without data are left out, and there is no land mask",
    "initialOffsetMethod": "files are placed by their map grid",
    "extent": "the stack covers what all files have in common",
    "masterBands": _ALL_BANDS,
    "slaveBands": _ALL_BANDS,
    "sourceBands": _ALL_BANDS,
    "openResidualsFile": "tie points and residuals are always written",
    "excludeMaster": "the stack always holds the primary",
}
"""Keys of SNAP that set nothing here, and why."""


@dataclass(frozen=True, slots=True)
class Translated:
    """What a configuration comes to.

    Attributes:
        settings: keys and values of the ``coregistration`` block of an order.
        warnings: one sentence for each key that sets nothing, or not quite what it asks for.
    """

    settings: Mapping[str, Any]
    warnings: tuple[str, ...]


def read_config(path: Path) -> dict[str, object]:
    """Keys and values of a file: a JSON object, or lines ``key = value`` or ``key: value`` with ``#`` comments.

    An object within the object stands for one operator of a graph: its keys are taken as if they stood alone.

    Raises:
        RequestError: the file cannot be read, is neither, or has a key twice.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise RequestError(
            f"config {path} cannot be read ({error.strerror}); give a JSON or key = value file"
        ) from error
    try:
        return _without_repetition(_pairs(content))
    except RequestError as error:
        raise RequestError(f"config {path}: {error}") from error


def translate(config: Mapping[str, object], *, pixels: int) -> Translated:
    """Turn keys of SNAP into ours; keys that are ours already are taken over.

    Args:
        config: key to value; values may be texts.
        pixels: of the reference grid, over which SNAP would spread its ``nb_gcp`` points.

    Raises:
        RequestError: a value is not of the kind its key asks for, or two keys set the same.
    """
    settings: dict[str, Any] = {}
    origin: dict[str, str] = {}
    warnings = []
    for key, value in config.items():
        if key in Registering.model_fields:
            found = _Meaning({key: value})
        elif key in _MEANINGS:
            found = _MEANINGS[key](key, value, pixels)
        else:
            found = _Meaning({}, WITHOUT_MEANING.get(key, "it is unknown here"))
        if found.warning:
            warnings.append(f"{key} = {reprlib.repr(value)}: {found.warning}")
        for name, setting in found.settings.items():
            if name in settings and settings[name] != setting:
                raise RequestError(f"config: {origin[name]} and {key} both set {name}, but differ; keep one")
            settings[name], origin[name] = setting, key
    return Translated(settings, tuple(warnings))


@dataclass(frozen=True, slots=True)
class _Meaning:
    settings: Mapping[str, Any]
    warning: str = ""


def _points(key: str, value: object, pixels: int) -> _Meaning:
    count = _number(key, value)
    if count < 1:
        raise RequestError(f"config: {key} is {count:g}; ask for at least one point")
    wanted = round(math.sqrt(pixels / count))
    spacing = min(max(wanted, _LEAST_SPACING), _MOST_SPACING)
    warning = f"that is a point every {wanted} pixels; one every {spacing} is taken" if spacing != wanted else ""
    return _Meaning({"spacing": spacing}, warning)


def _window(key: str, value: object, _: int) -> _Meaning:
    return _Meaning({"template": round(_number(key, value))})


def _rms(key: str, value: object, _: int) -> _Meaning:
    return _Meaning({"model": "snap", "rms_threshold": _number(key, value)})


def _warp_order(key: str, value: object, _: int) -> _Meaning:
    return _Meaning({"model": "snap", "warp_order": round(_number(key, value))})


def _kernel(key: str, value: object, _: int) -> _Meaning:
    text = re.sub(r"[^a-z0-9]", "", str(value).lower()).removesuffix("interpolation")
    if text == "none":
        return _Meaning({}, "the default kernel is taken")
    if text not in _KERNEL_OF:
        raise RequestError(f"config: {key} is {reprlib.repr(value)}; use one of SNAP's names, or {', '.join(_KERNELS)}")
    return _Meaning({"resampling": _KERNEL_OF[text]})


def _coarse(key: str, value: object, _: int) -> _Meaning:
    text = str(value).lower()
    if text not in _TRUE + _FALSE:
        raise RequestError(f"config: {key} is {reprlib.repr(value)}; write true or false")
    return _Meaning({} if text in _TRUE else {"coarse_search": 0})


_MEANINGS: dict[str, Callable[[str, object, int], _Meaning]] = {
    "nb_gcp": _points,
    "numGCPtoGenerate": _points,
    "coarseRegistrationWindowWidth": _window,
    "coarseRegistrationWindowHeight": _window,
    "rmsThreshold": _rms,
    "warpPolynomialOrder": _warp_order,
    "interpolationMethod": _kernel,
    "resamplingType": _kernel,
    "computeOffset": _coarse,
}


def _number(key: str, value: object) -> float:
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise RequestError(f"config: {key} is {reprlib.repr(value)}; write a number")
    return number


def _pairs(content: bytes) -> list[tuple[str, object]]:
    if content.lstrip()[:1] == b"{":
        # The keys of one operator of a graph count as if they stood alone; "pairing" is a value of ours.
        return [
            pair
            for key, value in json_object(content).items()
            for pair in (value.items() if isinstance(value, dict) and key != "pairing" else [(key, value)])
        ]
    if len(content) > MAX_BYTES:
        raise RequestError(f"it has {len(content)} bytes or more; keep it to {MAX_BYTES}")
    pairs: list[tuple[str, object]] = []
    for number, line in enumerate(content.decode("utf-8", errors="replace").splitlines(), start=1):
        text = line.partition("#")[0].strip()
        found = _LINE.fullmatch(text)
        if found:
            pairs.append((found[1], found[2]))
        elif text:
            raise RequestError(f"line {number}, {text[:80]!r}, is not key = value; write it so, or write JSON")
    return pairs


def _without_repetition(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = [name for name, _ in pairs]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise RequestError(f"{repeated[0][:80]} is there twice; keep one")
    return dict(pairs)
