from __future__ import annotations

import pytest

from weft.errors import RequestError
from weft.stac.collections import COLLECTION_IDS, collection_document
from weft.stac.validation import validate_collection


@pytest.mark.parametrize("identifier", COLLECTION_IDS)
def test_every_collection_is_valid_with_and_without_items(identifier: str) -> None:
    validate_collection(collection_document(identifier, None))
    extent = {
        "spatial": {"bbox": [[2.5, 50.0, 3.5, 51.0]]},
        "temporal": {"interval": [["2018-03-21T00:00:00Z", "2018-06-24T23:59:59Z"]]},
    }
    document = collection_document(identifier, extent)
    validate_collection(document)
    assert document["extent"] == extent
    assert document["title"]
    assert document["providers"]


def test_the_nine_collections() -> None:
    assert " ".join(COLLECTION_IDS) == (
        "calibrated-datasets composites coregistered-stacks expression-bands mosaics orbit-mosaics orders "
        "region-mosaics track-levels"
    )
    with pytest.raises(RequestError, match="collection 'scenes' is unknown"):
        collection_document("scenes", None)


def test_documents_share_nothing() -> None:
    collection_document("mosaics", None)["item_assets"]["count"]["title"] = "changed"
    assert collection_document("mosaics", None)["item_assets"]["count"]["title"] != "changed"
