"""From an asset's href to a place that GDAL may open.

Belongs here: the allow-list of schemes, hosts and folders (design section 9). Not here: opening
(``weft.rasters.gdal``), or which archive allows what (``resources.archive``).

An href is text from a stranger. GDAL would follow it to any host, service or file, so a place is built anew from
checked parts and never passed through: local files only under allowed folders once links and ``..`` are resolved; URLs
only under allowed prefixes, compared as scheme, host, port and path segments.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from weft.errors import RequestError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_DEFAULT_PORTS = {"https": 443, "http": 80, "s3": None}
_MAX_HREF = 2048


@dataclass(frozen=True, slots=True)
class _Url:
    """A URL without user, query or fragment; ``path`` is as written, ``segments`` are what a server reads."""

    scheme: str
    host: str
    port: int | None
    path: str
    segments: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> _Url:
        """Raises :class:`ValueError` with what is wrong with the URL."""
        parts = urlsplit(text)
        host = (parts.hostname or "").lower()
        if parts.scheme not in _DEFAULT_PORTS:
            raise ValueError(f"its scheme is none of file, {', '.join(_DEFAULT_PORTS)}")
        if "@" in parts.netloc or not _HOST.fullmatch(host) or ".." in host:
            raise ValueError("its host is not a plain host or bucket name")
        if "?" in text or "#" in text:
            raise ValueError("it has a query or fragment, which a file name cannot have")
        segments = tuple(parts.path.split("/")[1:])
        if parts.scheme != "s3":  # a key in a bucket is not percent-encoded
            segments = tuple(unquote(segment, errors="strict") for segment in segments)
        if any(segment in (".", "..") or re.search(r"[/\\\x00-\x20\x7f]", segment) for segment in segments):
            raise ValueError("its path has dots, slashes, spaces or control characters in disguise")
        port = parts.port if parts.port is not None else _DEFAULT_PORTS[parts.scheme]
        return cls(parts.scheme, host, port, parts.path, segments)

    def starts_with(self, prefix: _Url) -> bool:
        """Whether it lies at or below ``prefix``."""
        wanted = prefix.segments[:-1] if prefix.segments[-1:] == ("",) else prefix.segments
        same_server = (self.scheme, self.host, self.port) == (prefix.scheme, prefix.host, prefix.port)
        return same_server and self.segments[: len(wanted)] == wanted


@dataclass(frozen=True, slots=True)
class HrefPolicy:
    """What the hrefs of one item may point at.

    Attributes:
        base: where the item itself is, an absolute path or a URL; relative hrefs start there. None: there are none.
        roots: folders from which files may be read.
        prefixes: URL prefixes (``https://host/path/``, ``s3://bucket/prefix/``) from which files may be read; plain
            ``http`` only where a prefix says so.
        setting: where roots and prefixes come from, for messages.
    """

    base: str | None
    roots: tuple[Path, ...]
    prefixes: tuple[str, ...]
    setting: str = "archive.allow"
    _allowed: tuple[_Url, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raises :class:`RequestError` for a prefix that is no URL."""
        allowed = []
        for prefix in self.prefixes:
            try:
                allowed.append(_Url.parse(prefix))
            except ValueError as error:
                raise RequestError(
                    f"{self.setting} has {prefix!r}: {error}; write it like https://host/path/ or s3://bucket/path/"
                ) from error
        object.__setattr__(self, "_allowed", tuple(allowed))

    def place(self, href: str) -> str:
        """Name of the file for ``weft.rasters.gdal.open_raster``.

        Args:
            href: as the item says: a path or URL, relative or absolute.

        Returns:
            An absolute path with all links resolved, ``/vsicurl/https://...`` or ``/vsis3/bucket/key``.

        Raises:
            RequestError: the href points outside what is allowed, or is malformed; whether the file exists is not
                looked at.
        """
        if not href or len(href) > _MAX_HREF or re.search(r"[\x00-\x20\x7f\\]", href):
            raise self._refused(
                href, f"it is empty, longer than {_MAX_HREF} characters, or has spaces or control characters"
            )
        scheme = _SCHEME.match(href)
        if scheme and scheme[1].lower() == "file":
            return self._local(href, self._path_of(href))
        if scheme:
            return self._remote(href, scheme[1].lower() + href[scheme.end(1) :])
        if self.base is None:
            raise self._refused(href, "it is relative and its item has no known location")
        if _SCHEME.match(self.base):
            return self._remote(href, _joined(self.base, href))
        if "?" in href or "#" in href:
            raise self._refused(href, "it has a query or fragment, which a file name cannot have")
        return self._local(href, Path(self.base).parent / href)

    def _local(self, href: str, path: Path) -> str:
        try:
            resolved = path.resolve()
        except (OSError, RuntimeError) as error:
            raise self._refused(href, f"its path cannot be resolved ({error})") from error
        if not path.is_absolute() or not any(resolved.is_relative_to(root.resolve()) for root in self.roots):
            raise self._refused(href, "it is not a file under an allowed folder")
        return str(resolved)

    def _remote(self, href: str, text: str) -> str:
        try:
            url = _Url.parse(text)
        except ValueError as error:
            raise self._refused(href, str(error)) from error
        if not any(url.starts_with(prefix) for prefix in self._allowed):
            raise self._refused(href, "it starts with no allowed prefix")
        if url.scheme == "s3":
            return f"/vsis3/{url.host}{url.path}"
        port = "" if url.port == _DEFAULT_PORTS[url.scheme] else f":{url.port}"
        return f"/vsicurl/{url.scheme}://{url.host}{port}{url.path}"

    def _path_of(self, href: str) -> Path:
        parts: SplitResult = urlsplit(href)
        if parts.netloc not in ("", "localhost") or parts.query or parts.fragment:
            raise self._refused(href, "a file: URL has neither host nor query")
        path = unquote(parts.path)
        if re.search(r"[\x00-\x1f\x7f]", path):
            raise self._refused(href, "it has control characters")
        return Path(path)

    def _refused(self, href: str, why: str) -> RequestError:
        return RequestError(
            f"href {href!r:.200} is refused: {why}; if it is to be trusted, add its folder or prefix to {self.setting}"
        )


def href_of(place: str) -> str:
    """Absolute href of a place that :meth:`HrefPolicy.place` named."""
    if place.startswith("/vsicurl/"):
        return place.removeprefix("/vsicurl/")
    if place.startswith("/vsis3/"):
        return f"s3://{place.removeprefix('/vsis3/')}"
    return Path(place).as_uri()


def _joined(base: str, href: str) -> str:
    parts = urlsplit(base)
    path = posixpath.normpath(posixpath.join(posixpath.dirname(parts.path) or "/", href))
    return f"{parts.scheme}://{parts.netloc}{path}"
