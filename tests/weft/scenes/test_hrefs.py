from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.errors import RequestError
from weft.scenes.hrefs import HrefPolicy

ALLOWED = ("https://cogs.example.com/s2/", "s3://bucket/s2/", "http://127.0.0.1:8000/", "https://all.example.com")
WEB = HrefPolicy("https://cogs.example.com/s2/31/item.json", (), ALLOWED)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    (folder / "items").mkdir(parents=True)
    (tmp_path / "secret.tif").write_text("secret")
    (folder / "link.tif").symlink_to(tmp_path / "secret.tif")
    (folder / "inner.tif").symlink_to(folder / "items" / "a.tif")
    return folder


def local(folder: Path) -> HrefPolicy:
    return HrefPolicy(str(folder / "items" / "item.json"), (folder,), ALLOWED)


def test_files_under_an_allowed_folder(archive: Path) -> None:
    policy = local(archive)
    for href in ("a.tif", "./a.tif", "../items/a.tif", "../inner.tif", f"{archive}/items/a.tif"):
        assert policy.place(href) == str((archive / "items/a.tif").resolve())
    for href in (
        f"file://{archive}/items/a.tif",
        f"file://localhost{archive}/items/a.tif",
        f"file:{archive}/items/a.tif",
    ):
        assert policy.place(href) == str((archive / "items/a.tif").resolve())
    assert policy.place("../sp%20ace.tif").endswith("sp%20ace.tif"), "plain paths are not percent-encoded"
    assert policy.place(f"file://{archive}/sp%20ace.tif").endswith("sp ace.tif"), "file URLs are"


@pytest.mark.parametrize(
    "href",
    [
        "../../secret.tif",
        "../link.tif",
        "/etc/passwd",
        "//etc/passwd",
        "file:///etc/passwd",
        "file:a.tif",
        "file://host/a.tif",
        "/vsizip//etc/x.zip",
        "/vsicurl/http://169.254.169.254/x.tif",
        "a.tif?x=1",
        "a.tif#x",
        "",
        "a\x00.tif",
        "a\n.tif",
        "a b.tif",
        "..\\..\\secret.tif",
        "x" * 3000,
    ],
)
def test_files_elsewhere_are_refused(archive: Path, href: str) -> None:
    with pytest.raises(RequestError, match=r"refused.*archive\.allow"):
        local(archive).place(href)


def test_encoded_way_out_of_a_file_url_is_refused(archive: Path) -> None:
    for tail in ("%2e%2e/secret.tif", "..%2fsecret.tif", "a%00.tif", "a.tif?x=1"):
        with pytest.raises(RequestError, match="refused"):
            local(archive).place(f"file://{archive}/{tail}")


@pytest.mark.parametrize(
    ("href", "place"),
    [
        ("https://cogs.example.com/s2/a/b.tif", "/vsicurl/https://cogs.example.com/s2/a/b.tif"),
        ("HTTPS://COGS.example.com:443/s2/b.tif", "/vsicurl/https://cogs.example.com/s2/b.tif"),
        ("https://cogs.example.com/s2/a%2Bb.tif", "/vsicurl/https://cogs.example.com/s2/a%2Bb.tif"),
        ("https://all.example.com/any/b.tif", "/vsicurl/https://all.example.com/any/b.tif"),
        ("http://127.0.0.1:8000/b.tif", "/vsicurl/http://127.0.0.1:8000/b.tif"),
        ("s3://bucket/s2/a/b.jp2", "/vsis3/bucket/s2/a/b.jp2"),
        ("b.tif", "/vsicurl/https://cogs.example.com/s2/31/b.tif"),
        ("./../32/b.tif", "/vsicurl/https://cogs.example.com/s2/32/b.tif"),
        ("/s2/b.tif", "/vsicurl/https://cogs.example.com/s2/b.tif"),
    ],
)
def test_urls_under_an_allowed_prefix(href: str, place: str) -> None:
    assert WEB.place(href) == place


@pytest.mark.parametrize(
    "href",
    [
        "https://cogs.example.com/other/b.tif",
        "https://cogs.example.com/s2evil/b.tif",
        "https://cogs.example.com/s2/../other/b.tif",
        "https://cogs.example.com/s2/%2e%2e/other/b.tif",
        "https://cogs.example.com/s2/..%2fother/b.tif",
        "https://cogs.example.com.evil.com/s2/b.tif",
        "https://cogs.example.com@evil.com/s2/b.tif",
        "https://user:word@cogs.example.com/s2/b.tif",
        "https://cogs.example.com:8443/s2/b.tif",
        "https://cogs.example.com:port/s2/b.tif",
        "https://evil.com/https://cogs.example.com/s2/b.tif",
        "https://cogs.example.com\\@evil.com/s2/b.tif",
        "https://cogs.example.com/s2/b.tif?to=evil",
        "https://cogs.example.com/s2/b.tif#frag",
        "https://cogs.example.com/s2/a%0ab.tif",
        "https://[::1]/s2/b.tif",
        "https:///s2/b.tif",
        "https:b.tif",
        "http://cogs.example.com/s2/b.tif",
        "http://127.0.0.1:8001/b.tif",
        "s3://other/s2/b.tif",
        "s3://bucket/s2/../b.tif",
        "../../etc/b.tif",
        "/etc/passwd.tif",
        "ftp://cogs.example.com/s2/b.tif",
        "WMS:https://cogs.example.com/s2/b.tif",
        'NETCDF:"b.nc":x',
        "data:image/tiff;base64,AAAA",
        "vrt://b.tif",
        "file:///etc/passwd",
    ],
)
def test_urls_elsewhere_are_refused(href: str) -> None:
    with pytest.raises(RequestError, match="refused"):
        WEB.place(href)


def test_prefix_without_closing_slash_is_a_folder_all_the_same() -> None:
    policy = HrefPolicy(None, (), ("https://host/s2",))
    assert policy.place("https://host/s2/a.tif") == "/vsicurl/https://host/s2/a.tif"
    for href in ("https://host/a.tif", "https://host/s2evil/a.tif"):
        with pytest.raises(RequestError, match="no allowed prefix"):
            policy.place(href)


def test_relative_href_of_an_item_in_a_bucket() -> None:
    policy = HrefPolicy("s3://bucket/s2/31/item.json", (), ALLOWED)
    assert policy.place("b.tif") == "/vsis3/bucket/s2/31/b.tif"
    with pytest.raises(RequestError):
        policy.place("../../b.tif")


def test_relative_href_without_location_is_refused() -> None:
    with pytest.raises(RequestError, match="no known location"):
        HrefPolicy(None, (Path("/"),), ()).place("b.tif")


@pytest.mark.parametrize("prefix", ["ftp://host/", "host/path", "https://a@host/", "https://host/../x/", ""])
def test_prefix_that_is_no_url_is_refused(prefix: str) -> None:
    with pytest.raises(RequestError, match=r"archive\.allow"):
        HrefPolicy(None, (), (prefix,))


@given(st.text(alphabet="ab./:%2eE@?#\\ \x00s3htpfile", max_size=40))
def test_no_text_leads_out(href: str) -> None:
    policies = (WEB, HrefPolicy("/archive/items/item.json", (Path("/archive"),), ALLOWED))
    for policy in policies:
        try:
            place = policy.place(href)
        except RequestError:
            continue
        tops = (
            "/archive",
            "/vsis3/bucket/s2",
            "/vsicurl/https://cogs.example.com/s2",
            "/vsicurl/https://all.example.com",
        )
        assert place.startswith((*tops, "/vsicurl/http://127.0.0.1:8000")), place
        assert ".." not in place.split("/")
