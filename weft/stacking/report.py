"""The report on a stack: one HTML page that stands alone, pictures and all.

Belongs here: what the page says. Not here: measuring (``weft.registration``) or drawing (``pictures``).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from weft.orders.datasets import Dataset
from weft.orders.stack_plan import StackPlan
from weft.rasters.quicklook import as_data_uri
from weft.stacking.overview import Overview
from weft.stacking.stack import GEOMETRY, REGISTERED, Matched, Stacked

_MEDIA_TYPES = {".png": "image/png", ".gif": "image/gif"}


def report(plan: StackPlan, stacked: Stacked, picture: Overview, proofs: Mapping[str, Path]) -> str:
    """The page.

    Args:
        plan: the order's plan.
        stacked: the finished stack.
        picture: its overview.
        proofs: files of :func:`weft.stacking.proof.proof` of all datasets that were matched.
    """
    return _template().render(
        order_id=plan.order.id,
        order=plan.order.canonical().decode("ascii"),
        grid=plan.grid,
        reference=str(plan.reference),
        resampling=plan.order.coregistration.resampling,
        overview=as_data_uri(picture.thumbnail),
        shown=picture.shown,
        datasets=[_dataset(plan, dataset, stacked.matched.get(dataset.index)) for dataset in plan.datasets],
        matched=[_matched(one, proofs) for _, one in sorted(stacked.matched.items())],
        files=stacked.product.files,
    )


def coregistration_fields(plan: StackPlan, stacked: Stacked) -> dict[str, Any]:
    """``weft:coregistration`` of the item: what was asked for, and what became of each dataset but the reference's."""
    settings = plan.order.coregistration
    return {
        "method": settings.method,
        "reference": str(plan.reference),
        "resampling": settings.resampling,
        "settings": plan.order.model_dump(mode="json")["coregistration"],
        "datasets": [
            stacked.matched[index].properties()
            if index in stacked.matched
            else {"dataset": index, "id": plan.dataset(index).id, "method": "stack", "status": GEOMETRY}
            for index in sorted(plan.methods)
        ],
    }


def registration_document(stacked: Stacked) -> dict[str, Any]:
    """Everything that moves the bands of each dataset, to be applied again: by its index."""
    return {
        str(index): {
            **one.properties(),
            "grid": {
                "crs": one.grid.crs,
                "shape": list(one.grid.shape),
                "transform": [float(number) for number in tuple(one.grid.transform)[:6]],
            },
            "displacement": one.registration.displacement.to_json(),
        }
        for index, one in sorted(stacked.matched.items())
    }


def _dataset(plan: StackPlan, dataset: Dataset, matched: Matched | None) -> dict[str, Any]:
    if dataset.index == plan.reference.dataset:
        became = f"holds the reference asset {plan.reference}"
    elif matched is None:
        became = "where its geolocation is: nothing was measured"
    elif matched.status == REGISTERED:
        became = f"registered by {matched.pairing} ({matched.registration.method})"
    else:
        became = "registration refused: where its geolocation is"
    acquired = f"{dataset.acquired:%Y-%m-%d %H:%M} UTC" if dataset.acquired else "unknown"
    return {"index": dataset.index, "id": dataset.id, "acquired": acquired, "became": became}


def _matched(one: Matched, proofs: Mapping[str, Path]) -> dict[str, Any]:
    facts = one.properties()
    shown = {kind: _file(proofs[f"{kind}_{one.dataset}"]) for kind in ("flicker", "quiver", "magnitude")}
    metres = {
        when: None if (error := facts.get(f"ce90_{when}")) is None else error * facts["pixel"]
        for when in ("before", "after")
    }
    return {"facts": facts, "metres": metres, **shown}


def _file(path: Path) -> str:
    return as_data_uri(path.read_bytes(), _MEDIA_TYPES[path.suffix])


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("weft.stacking", "."), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("report.html.jinja")
