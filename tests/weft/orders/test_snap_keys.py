from __future__ import annotations

import json
from pathlib import Path

import pytest

from weft.errors import RequestError
from weft.orders.snap_keys import WITHOUT_MEANING, read_config, translate
from weft.registration.settings import Registering

PIXELS = 4000 * 2000
SNAP_DEFAULTS = {
    "numGCPtoGenerate": 2000,
    "coarseRegistrationWindowWidth": 128,
    "coarseRegistrationWindowHeight": 128,
    "rowInterpFactor": 2,
    "columnInterpFactor": 2,
    "maxIteration": 10,
    "gcpTolerance": 0.5,
    "rmsThreshold": 0.05,
    "warpPolynomialOrder": 2,
    "interpolationMethod": "Cubic convolution (6 points)",
}


def test_the_keys_of_the_cross_correlation_graph():
    found = translate(SNAP_DEFAULTS, pixels=PIXELS)
    assert Registering(**found.settings) == Registering(
        spacing=63, template=128, model="snap", rms_threshold=0.05, warp_order=2, resampling="cubic"
    )
    named = [warning.partition(" = ")[0] for warning in found.warnings]
    assert named == ["rowInterpFactor", "columnInterpFactor", "maxIteration", "gcpTolerance"]


@pytest.mark.parametrize("key", ["nb_gcp", "numGCPtoGenerate"])
@pytest.mark.parametrize(("count", "spacing"), [(8000, 32), ("10000", 28), (2000.0, 63)])
def test_a_number_of_points_is_a_distance_between_them(key: str, count: object, spacing: int):
    assert translate({key: count}, pixels=PIXELS).settings == {"spacing": spacing}


def test_a_number_of_points_that_cannot_be_is_said():
    found = translate({"nb_gcp": 8000}, pixels=100 * 100)
    assert found.settings == {"spacing": 4}
    assert found.warnings == ("nb_gcp = 8000: that is a point every 1 pixels; one every 4 is taken",)


@pytest.mark.parametrize(
    ("text", "kernel"),
    [
        ("Nearest-neighbor interpolation", "nearest"),
        ("NEAREST_NEIGHBOUR", "nearest"),
        ("Bilinear interpolation", "bilinear"),
        ("BILINEAR_INTERPOLATION", "bilinear"),
        ("Bicubic interpolation", "cubic"),
        ("Bicubic2 interpolation", "cubic"),
        ("Cubic convolution (4 points)", "cubic"),
        ("CC6P", "cubic"),
        ("Truncated sinc (16 points)", "lanczos"),
        ("BISINC_5_POINT_INTERPOLATION", "lanczos"),
        ("lanczos", "lanczos"),
    ],
)
@pytest.mark.parametrize("key", ["interpolationMethod", "resamplingType"])
def test_kernels(key: str, text: str, kernel: str):
    assert translate({key: text}, pixels=1).settings == {"resampling": kernel}


def test_a_polynomial_asks_for_the_rule_of_snap():
    assert translate({"warpPolynomialOrder": "1"}, pixels=1).settings == {"model": "snap", "warp_order": 1}
    assert translate({"rmsThreshold": 0.1}, pixels=1).settings == {"model": "snap", "rms_threshold": 0.1}


def test_the_coarse_offset_may_be_turned_off():
    assert translate({"computeOffset": "false"}, pixels=1).settings == {"coarse_search": 0}
    assert translate({"computeOffset": True}, pixels=1).settings == {}


def test_what_has_no_meaning_here_is_named():
    for key in WITHOUT_MEANING:
        found = translate({key: "x"}, pixels=1)
        assert found.settings == {}
        assert found.warnings[0].startswith(f"{key} = 'x': ")
    assert translate({"noSuchKey": 1}, pixels=1).warnings == ("noSuchKey = 1: it is unknown here",)
    assert translate({"resamplingType": "NONE"}, pixels=1).warnings == (
        "resamplingType = 'NONE': the default kernel is taken",
    )


def test_our_own_keys_are_taken_over():
    own = {"search": 30, "on_failure": "geometry", "pairing": {"2": "nir"}}
    assert translate(own, pixels=1).settings == own


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"nb_gcp": "many"}, "nb_gcp is 'many'; write a number"),
        ({"nb_gcp": 0}, "nb_gcp is 0; ask for at least one"),
        ({"nb_gcp": float("inf")}, "nb_gcp is inf"),
        ({"nb_gcp": True}, "nb_gcp is True"),
        ({"nb_gcp": [1]}, "nb_gcp is"),
        ({"nb_gcp": "9" * 400}, "nb_gcp is"),
        ({"interpolationMethod": "magic"}, "interpolationMethod is 'magic'; use one of SNAP's names"),
        ({"computeOffset": "perhaps"}, "computeOffset is 'perhaps'; write true or false"),
        (
            {"coarseRegistrationWindowWidth": 64, "coarseRegistrationWindowHeight": 128},
            "coarseRegistrationWindowWidth and coarseRegistrationWindowHeight both set template",
        ),
        ({"template": 64, "coarseRegistrationWindowHeight": 128}, "template and coarseRegistrationWindowHeight both"),
        ({"model": "field", "rmsThreshold": 0.1}, "model and rmsThreshold both set model"),
    ],
)
def test_wrong_values_are_refused_and_the_key_named(config: dict[str, object], message: str):
    with pytest.raises(RequestError, match=f"^config: {message}"):
        translate(config, pixels=PIXELS)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"nb_gcp": 8000, "rmsThreshold": 0.05}),
        json.dumps({"Cross-Correlation": {"nb_gcp": 8000}, "Warp": {"rmsThreshold": 0.05}}),
        "nb_gcp = 8000\nrmsThreshold=0.05\n",
        "# points\nnb_gcp: 8000   # many\n\n  rmsThreshold : 0.05",
    ],
)
def test_a_config_is_json_or_lines(text: str, tmp_path: Path):
    path = tmp_path / "config"
    path.write_text(text)
    found = translate(read_config(path), pixels=PIXELS).settings
    assert found == {"spacing": 32, "model": "snap", "rms_threshold": 0.05}


def test_a_pairing_in_a_config_stays_one_value(tmp_path: Path):
    path = tmp_path / "config.json"
    path.write_text('{"pairing": {"2": "nir"}}')
    assert read_config(path) == {"pairing": {"2": "nir"}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"nb_gcp", r"line 1, 'nb_gcp', is not key = value"),
        (b"<graph><node/></graph>", "is not key = value"),
        (b"a = 1\na = 2", "a is there twice"),
        (b'{"x": {"a": 1}, "y": {"a": 2}}', "a is there twice"),
        (b'{"a": 1', "not JSON"),
        (b"{" * 100_000, "nested deeper"),
        (b"# " + b"x" * 2_000_000, "keep it to"),
    ],
)
def test_a_wrong_config_is_refused_and_named(content: bytes, message: str, tmp_path: Path):
    path = tmp_path / "config"
    path.write_bytes(content)
    with pytest.raises(RequestError, match=message) as caught:
        read_config(path)
    assert str(path) in str(caught.value)


def test_a_missing_config_is_named(tmp_path: Path):
    with pytest.raises(RequestError, match="cannot be read"):
        read_config(tmp_path / "none.json")
