from __future__ import annotations

import pytest

from weft.fingerprints import fingerprint


def test_a_known_digest_guards_against_recomputing_the_world():
    # Everything published carries such a digest: if this changes, every product of every region is made again.
    found = fingerprint("tile_composite", 1, scenes=["a", "b"], percentiles=[25.0, 50.0])
    assert found == "4981374e55e97085fad28d930e12ea6dabe9e23d85b443abf5aa194545f16ebb"


def test_key_order_does_not_matter_but_list_order_does():
    one = fingerprint("step", 1, a={"x": 1, "y": 2}, b=[1, 2])
    assert one == fingerprint("step", 1, b=[1, 2], a={"y": 2, "x": 1})
    assert one != fingerprint("step", 1, a={"x": 1, "y": 2}, b=[2, 1])


def test_step_version_names_and_values_all_count():
    variants = {
        fingerprint("step", 1, a=1),
        fingerprint("step", 2, a=1),
        fingerprint("other", 1, a=1),
        fingerprint("step", 1, b=1),
        fingerprint("step", 1, a=2),
        fingerprint("step", 1, a="1"),
        fingerprint("step", 1, a=None),
        fingerprint("step", 1, a=[1]),
        fingerprint("step", 1),
    }
    assert len(variants) == 9


def test_text_of_any_script_is_canonical():
    assert len(fingerprint("step", 1, place="Zürich \N{SNOWMAN}")) == 64


@pytest.mark.parametrize("part", [float("nan"), float("inf"), {1, 2}, object()])
def test_parts_without_a_canonical_form_are_refused(part):
    with pytest.raises((ValueError, TypeError)):
        fingerprint("step", 1, part=part)
