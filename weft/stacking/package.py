"""Everything that is delivered of one stack: its item and the files the item names.

Belongs here: which files there are and what they are called. Not here: making any of them (``stack``, ``overview``,
``proof``, ``report``), or where they go.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from weft.orders.stack_plan import StackPlan
from weft.rasters.reading import Place
from weft.stac import Item
from weft.stac.order_products import Input, stack_order_item
from weft.stacking.overview import overview
from weft.stacking.proof import proof
from weft.stacking.report import coregistration_fields, registration_document, report
from weft.stacking.stack import Stacked


@dataclass(frozen=True, slots=True)
class Package:
    """A stack that is ready to be published or copied.

    Attributes:
        item: its item; assets have no ``href`` yet.
        files: asset key -> file, one for each asset.
    """

    item: Item
    files: Mapping[str, Path]


def package(
    plan: StackPlan, stacked: Stacked, place: Place, folder: Path, *, inputs: Sequence[Input], fingerprint: str
) -> Package:
    """Add the overview, the evidence on each registration, the report and the item to the bands of a stack.

    Args:
        plan: the order's plan.
        stacked: the finished stack.
        place: turns hrefs of layers into places that may be opened.
        folder: where files are written.
        inputs: the datasets of the order.
        fingerprint: of the work, 64 hex digits.
    """
    picture = overview(plan, stacked.product)
    proofs: dict[str, Path] = {}
    for matched in stacked.matched.values():
        proofs |= proof(plan, matched, place, folder)
    files = {file.layer.key: file.path for file in stacked.product.files} | proofs
    files["overview"] = folder / "overview.tif"
    item = stack_order_item(
        order_id=plan.order.id,
        product=stacked.product,
        overview=(picture.grid, picture.write(files["overview"])),
        inputs=inputs,
        coregistration=coregistration_fields(plan, stacked),
        indices=sorted(stacked.matched),
        fingerprint=fingerprint,
    )
    registration = json.dumps(registration_document(stacked), indent=1, sort_keys=True, allow_nan=False)
    documents = {
        "thumbnail.png": picture.thumbnail,
        "order.json": plan.order.canonical(),
        "registration.json": registration.encode(),
        "report.html": report(plan, stacked, picture, proofs).encode(),
    }
    for name, content in documents.items():
        path = folder / name
        path.write_bytes(content)
        files[path.stem] = path
    return Package(item, files)
