"""The object store as a Dagster resource.

Belongs here: configuration, and the names of the port for those who use it. Not here: the port itself
(``resources.object_stores.port``) or its implementation.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import dagster as dg
from dagster_aws.s3 import S3Resource
from pydantic import PrivateAttr

from resources.object_stores.obstores import ObstoreStore
from resources.object_stores.port import ObjectStore, StoredObject
from weft.errors import RequestError

__all__ = ["ObjectStore", "ObjectStoreResource", "ObstoreStore", "StoredObject"]


class ObjectStoreResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Where products are stored.

    Attributes:
        url: a directory (plain path or ``file:///path``) or ``s3://bucket/prefix``.
        s3: endpoint, region and credentials of the bucket; without it they come from where boto3 finds them.
    """

    url: str
    s3: S3Resource | None = None
    _store: ObstoreStore | None = PrivateAttr(default=None)

    def open(self) -> ObjectStore:
        """The store, built at the first call.

        Raises:
            RequestError: the URL names neither a directory nor a bucket, or there are no credentials.
        """
        if self._store is None:
            self._store = _open(self.url, self.s3 or S3Resource())
        return self._store

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Refuse, before any work starts, a store that would overwrite products."""
        self.open().probe()


def _open(url: str, s3: S3Resource) -> ObstoreStore:
    parts = urlsplit(url)
    extra = parts.query or parts.fragment
    if parts.scheme == "s3" and not extra:
        return ObstoreStore.s3(parts.netloc, parts.path.strip("/"), s3)
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path.startswith("/") and not extra:
        return ObstoreStore.local(Path(unquote(parts.path)))
    if url and not parts.scheme:
        return ObstoreStore.local(Path(url))
    raise RequestError(f"object store {url!r} is neither a directory, file:///path nor s3://bucket/prefix")
