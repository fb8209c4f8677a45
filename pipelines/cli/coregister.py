"""``weft coregister``: register plain files onto one of them, with the flags of ICEYE's SNAP container.

Belongs here: arguments, files in and files out, output. Not here: what keys of SNAP mean (``weft.orders.snap_keys``),
judging the request (``weft.orders``) or doing the work (``weft.stacking``).
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from pipelines.cli.console import errors, output, print_json, steps
from weft.errors import RequestError
from weft.fingerprints import fingerprint
from weft.orders import StackOrder, snap_keys
from weft.orders.datasets import Dataset, dataset_of_file
from weft.orders.document import check
from weft.orders.stack_plan import StackPlan, plan_stack
from weft.rasters.cog import check_cog
from weft.scenes.hrefs import HrefPolicy
from weft.stac import Item
from weft.stac.order_products import Input
from weft.stac.parts import timestamp
from weft.stac.validation import validate
from weft.stacking.package import Package, package
from weft.stacking.stack import REFUSED, coregistered_stack

_VERSION = 1
_SHA256_MULTIHASH = "1220"


def coregister(
    primary_path: Annotated[
        Path, typer.Option("-pp", "--primary_path", help="the file that stays where it is", metavar="FILE")
    ],
    secondary_path: Annotated[
        list[Path], typer.Option("-sp", "--secondary_path", help="a file to register to it; repeatable", metavar="FILE")
    ],
    output_path: Annotated[Path, typer.Option("-op", "--output_path", help="folder for the stack", metavar="DIR")],
    more: Annotated[list[Path] | None, typer.Argument(help="further secondaries", metavar="[FILE]...")] = None,
    coregistration_type: Annotated[
        str, typer.Option("-ct", "--coregistration_type", help="auto, cross_corr, multimodal, stack or dem_assisted")
    ] = "auto",
    config_path: Annotated[
        Path | None,
        typer.Option("-cp", "--config_path", help="settings, with the keys of SNAP or ours", metavar="FILE"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the item and all warnings as JSON")] = False,
) -> None:
    """Register GeoTIFF files onto one of them and write the stack, its item and the evidence."""
    paths = [primary_path, *secondary_path, *(more or ())]
    datasets = [dataset_of_file(path, index) for index, path in enumerate(paths, start=1)]
    settings, warnings = _settings(config_path, coregistration_type, datasets[0])
    plan = plan_stack(_order(paths, datasets, settings), datasets)
    inputs, undated = _inputs(paths, datasets)
    warnings += undated
    for warning in warnings:
        errors.print(f"[yellow]note[/] {warning}", soft_wrap=True, highlight=False)
    place = HrefPolicy(base=None, roots=tuple(path.absolute().parent for path in paths), prefixes=()).place
    output_path.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output_path, prefix=".weft-") as name:
        scratch = Path(name)
        with steps("coregistering") as progress:
            stacked = coregistered_stack(plan, place, scratch, progress=progress)
        mark = _fingerprint(plan, paths)
        item = _deliver(package(plan, stacked, place, scratch, inputs=inputs, fingerprint=mark), output_path)
    became = item["properties"]["weft:coregistration"]["datasets"]
    if as_json:
        print_json({"item": item, "warnings": warnings})
    else:
        output.print(_table(became))
        output.print(f"stack: {output_path / 'item.json'}, report: {output_path / 'report.html'}", soft_wrap=True)
    if any(one["status"] == REFUSED for one in became):
        raise typer.Exit(3)


def _settings(config: Path | None, method: str, primary: Dataset) -> tuple[dict[str, Any], list[str]]:
    if config is None:
        return {"method": method}, []
    grid = next(iter(primary.layers.values())).geolocation
    found = snap_keys.translate(snap_keys.read_config(config), pixels=grid.width * grid.height)
    if found.settings.get("method", method) != method:
        raise RequestError(f"config {config}: method is {found.settings['method']}, but -ct is {method}; keep one")
    return {"method": method, **found.settings}, list(found.warnings)


def _order(paths: Sequence[Path], datasets: Sequence[Dataset], settings: dict[str, Any]) -> StackOrder:
    bands = [f"{dataset.index}.{name}" for dataset in datasets for name in dataset.layers]
    fields = {
        "input_reference": [path.absolute().as_uri() for path in paths],
        "bands": bands,
        "reference_asset": bands[0],
        "coregistration": settings,
    }
    return check(StackOrder, fields)


def _inputs(paths: Sequence[Path], datasets: Sequence[Dataset]) -> tuple[list[Input], list[str]]:
    """Items of the files. One without a time of acquisition gets that of the file, and a warning."""
    inputs, warnings = [], []
    for path, dataset in zip(paths, datasets, strict=True):
        acquired = dataset.acquired
        if acquired is None:
            acquired = datetime.fromtimestamp(int(path.stat().st_mtime), UTC)
            warnings.append(f"{path} does not tell when it was acquired; its item has the time of the file")
        href = path.absolute().as_uri()
        inputs.append(Input(href, href, {"id": dataset.id, "properties": {"datetime": timestamp(acquired)}}))
    return inputs, warnings


def _fingerprint(plan: StackPlan, paths: Sequence[Path]) -> str:
    return fingerprint("coregister", _VERSION, order=plan.order.fingerprint, inputs=[_sha256(path) for path in paths])


def _deliver(finished: Package, folder: Path) -> Item:
    """Prove the files, move them to where they stay, and write the item last."""
    item = finished.item
    for key, path in finished.files.items():
        asset = item["assets"][key]
        if "weft:pixel_sha256" in asset:
            check_cog(path, asset["weft:pixel_sha256"])
        asset |= {
            "href": f"./{path.name}",
            "file:checksum": _SHA256_MULTIHASH + _sha256(path),
            "file:size": path.stat().st_size,
        }
    validate(item)
    for path in finished.files.values():
        path.replace(folder / path.name)
    (folder / "item.json").write_text(json.dumps(item, indent=1) + "\n", encoding="utf-8")
    return item


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _table(became: Sequence[dict[str, Any]]) -> Table:
    table = Table("dataset", "id", "method", "became", "points", "CE90 before", "after", title="registration (pixels)")
    for one in became:
        figures = ["" if one.get(name) is None else f"{one[name]:.2f}" for name in ("ce90_before", "ce90_after")]
        points = f"{one['inliers']} of {one['points']}" if "points" in one else ""
        table.add_row(str(one["dataset"]), one["id"], one["method"], one["status"], points, *figures)
    return table
