"""The page on orders says what the code does: its documents are orders, its tables are complete."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from weft.orders import StackOrder, parse
from weft.orders.snap_keys import WITHOUT_MEANING, translate
from weft.orders.stack import RESERVED
from weft.registration.settings import Registering

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs" / "orders.md").read_text()
EXAMPLES = re.findall(r"^```json\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
FILES = sorted((ROOT / "deploy" / "orders").glob("*.json"))


def table(head: str) -> dict[str, tuple[str, ...]]:
    """First cell of each row of the table with this head -> its other cells."""
    body = TEXT.partition(f"| {head} |")[2].split("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in body]
    return {row[0].strip("` "): tuple(row[1:]) for row in rows}


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_document_on_the_page_is_an_order(text: str):
    placed = parse(text.encode())
    assert parse(placed.canonical()) == placed


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_order_that_is_shipped_is_one(path: Path):
    assert parse(path.read_bytes()).name


def test_the_first_example_is_the_charters():
    shipped = ROOT / "tests" / "charter" / "use_case_2.json"
    assert json.loads(EXAMPLES[0]) == json.loads(shipped.read_text())


def test_every_key_of_a_stack_order_is_listed():
    assert table("key | what it says").keys() == StackOrder.model_fields.keys() - {"order"}


def test_every_setting_is_listed_with_its_default():
    listed = {key: cells[0].strip("`") for key, cells in table("key | default | what it says").items()}
    defaults = {name: field.default for name, field in Registering.model_fields.items()}
    assert listed == {name: one if isinstance(one, str) else json.dumps(one) for name, one in defaults.items()}


def test_the_keys_of_snap_do_what_the_page_says():
    rows = table("key of SNAP | SNAP's default | what it sets")
    examples = {"interpolationMethod": "bilinear", "resamplingType": "bilinear", "computeOffset": "false"}
    for key, (_, sets) in rows.items():
        found = translate({key: examples.get(key, 128)}, pixels=4_000_000).settings
        if sets.startswith("nothing"):
            assert (dict(found), key in WITHOUT_MEANING) == ({}, True)
        elif "the same as `" in sets and sets.startswith("the same"):
            twin = re.findall(r"`(\w+)`", sets)[0]
            assert found == translate({twin: examples.get(twin, 128)}, pixels=4_000_000).settings
        else:
            assert set(re.findall(r"`(\w+)`", sets)) >= found.keys() != set()


def test_the_names_that_are_taken_are():
    (sentence,) = re.findall(r"those that every stack\nhas, such as (.*?), are taken", TEXT, re.DOTALL)
    names = re.findall(r"`(\w+)`", sentence)
    assert len(names) == 3
    assert all(RESERVED.fullmatch(name) for name in names)
