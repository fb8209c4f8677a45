"""Which band of a dataset is matched with the reference asset where the order does not say it.

Belongs here: the one rule. Not here: pairs that the order states (``stack_plan``).

1. The band of the same Common Band Name, as in the ESA Charter Mapper.
2. The band of the same name.
3. Of the same kind of sensor: the nearest wavelength of an optical band; the same polarisation of a radar band, else
   VV, else HH.
4. Of another kind of sensor: beside an optical reference the co-polarised radar band, VV before HH; beside a radar
   reference nir, nir08 or red, whichever comes first.
5. The only band there is.
"""

from __future__ import annotations

from collections.abc import Sequence

from weft.bands import COMMON_NAMES, polarisation
from weft.orders.datasets import Dataset

_CO_POLARISED = ("vv", "hh")
_BESIDE_RADAR = ("nir", "nir08", "red")


def default_pair(home: Dataset, reference: str, dataset: Dataset) -> str | None:
    """Name of the layer of ``dataset`` to match with layer ``reference`` of ``home``; None if no rule finds one.

    Layers of labels are left out. Of several equally good ones the first in alphabetical order is taken.
    """
    names = sorted(name for name in dataset.layers if name not in dataset.labels)
    known = home.common_name(reference)
    same = [name for name in names if known is not None and dataset.common_name(name) == known]
    if same:
        return known if known in same else same[0]
    if reference in names:
        return reference
    if home.modality(reference) == "radar":
        own = polarisation(known or reference)
        found = _polarised(dataset, names, (own or "", *_CO_POLARISED)) or _named(dataset, names, _BESIDE_RADAR)
    else:
        found = _nearest(dataset, names, known) or _polarised(dataset, names, _CO_POLARISED)
    only = {dataset.layers[name] for name in names}
    return found or (names[0] if len(only) == 1 else None)


def _nearest(dataset: Dataset, names: Sequence[str], known: str | None) -> str | None:
    if known not in COMMON_NAMES:
        return None
    optical = {name: COMMON_NAMES[cbn] for name in names if (cbn := dataset.common_name(name)) in COMMON_NAMES}
    centre = COMMON_NAMES[known].centre_um
    return min(optical, key=lambda name: (abs(optical[name].centre_um - centre), name), default=None)


def _polarised(dataset: Dataset, names: Sequence[str], wanted: Sequence[str]) -> str | None:
    found = {polarisation(dataset.common_name(name) or name): name for name in reversed(names)}
    return next((found[one] for one in wanted if one in found), None)


def _named(dataset: Dataset, names: Sequence[str], wanted: Sequence[str]) -> str | None:
    found = {dataset.common_name(name): name for name in reversed(names)}
    return next((found[one] for one in wanted if one in found), None)
