"""Named indices: ``NDVI`` for ``(norm_diff nir red)``.

Belongs here: the table and how text names one of them. Not here: the language (``grammar``).

The indices and their bands are those of the service OPT-Index of the ESA Charter Mapper. A preset is written in upper
case wherever an expression may stand, with the number of a dataset where bands have one: ``NDVI``, ``1.NDVI``,
``(- 2.NBR 1.NBR)``. Alone it may be written in any case: ``ndvi``, ``1.ndvi``. Within an expression ``1.ndvi`` is the
band of that name, which datasets of other services may well have.
"""

from __future__ import annotations

from types import MappingProxyType

from weft.errors import RequestError

PRESETS: MappingProxyType[str, tuple[str, str]] = MappingProxyType(
    {
        "NDVI": ("nir", "red"),
        "NDMIR": ("swir16", "swir22"),
        "NBR": ("nir", "swir22"),
        "NDWI": ("green", "nir"),
        "NDWI2": ("nir", "swir16"),
        "MNDWI": ("green", "swir16"),
        "NDBI": ("swir16", "nir"),
    }
)
"""Name to the two Common Band Names whose normalised difference it is."""


def preset(name: str, *, dataset: int | None = None) -> str:
    """The expression of a named index.

    Args:
        name: one of :data:`PRESETS` in any case.
        dataset: number of the dataset, from 1, for names such as ``1.nir``; None for plain ones.

    Raises:
        RequestError: there is no such index, or no such dataset.
    """
    bands = PRESETS.get(name.upper())
    if bands is None:
        raise RequestError(f"{name[:40]!r} is no preset; known: {', '.join(PRESETS)}")
    if dataset is not None and dataset < 1:
        raise RequestError(f"datasets are counted from 1, got {dataset} for preset {name}")
    prefix = "" if dataset is None else f"{dataset}."
    return f"(norm_diff {prefix}{bands[0]} {prefix}{bands[1]})"


def spelled_out(token: str, *, alone: bool) -> str | None:
    """The expression that a well-formed name stands for; None if it is that of a band.

    Args:
        token: a name, such as ``nir``, ``NDVI`` or ``1.NDVI``.
        alone: it is the whole text.
    """
    dataset, dot, name = token.rpartition(".")
    if (name.upper() if alone else name) not in PRESETS:
        return None
    return preset(name, dataset=int(dataset) if dot else None)
