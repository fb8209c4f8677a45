"""Object stores over obstore: a local directory or an S3 bucket.

Belongs here: everything obstore, S3 and file systems need to keep the port's promises. Not here: the promises
(``port``) or configuration (``resources.object_store``).
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Self, TypeAlias

import boto3
import obstore
from botocore.exceptions import BotoCoreError
from dagster_aws.s3 import S3Resource
from obstore.auth.boto3 import Boto3CredentialProvider
from obstore.exceptions import AlreadyExistsError, BaseError, GenericError, PermissionDeniedError, UnauthenticatedError
from obstore.store import LocalStore, S3Store

from resources.durable import sync_directory
from resources.object_stores.port import StoredObject, check_key, is_key
from weft.errors import IntegrityError, RequestError, Unavailable

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_CHUNK = 8 * 1024 * 1024
_STAGING = ".staging"
_Bytes: TypeAlias = io.BufferedReader | io.BytesIO


class ObstoreStore:
    """The :class:`ObjectStore` over obstore; build it with :meth:`local` or :meth:`s3`.

    Not to be carried over ``fork``: obstore keeps threads. Build a new one in the child.
    """

    def __init__(self, store: LocalStore | S3Store, base: str, root: Path | None) -> None:
        self._store = store
        self._base = base
        self._root = root

    @classmethod
    def local(cls, root: Path) -> Self:
        """Store in a local directory, made if missing. Its file system needs hard links (create-only writes)."""
        root = root.resolve()
        with _faults(f"object store {root}"):
            return cls(LocalStore(root, mkdir=True), root.as_uri(), root)

    @classmethod
    def s3(cls, bucket: str, prefix: str, s3: S3Resource) -> Self:
        """Store in an S3 bucket.

        A file is sent in one request, as create-only writes demand, so it passes through memory and must be smaller
        than the 5 GiB that S3 takes.

        Args:
            bucket: name of an existing bucket.
            prefix: key prefix inside the bucket, may be empty.
            s3: endpoint, region, credentials and TLS settings. What it leaves out comes from where boto3 finds it.

        Raises:
            RequestError: malformed bucket or prefix, or no credentials.
        """
        base = "/".join(part for part in (f"s3://{bucket}", prefix) if part)
        if not _BUCKET.fullmatch(bucket) or (prefix and not is_key(prefix)):
            raise RequestError(f"object store {base!r} is not s3://bucket or s3://bucket/prefix; correct the URL")
        try:
            place = s3.get_client().meta
            credentials = None if s3.use_unsigned_session else Boto3CredentialProvider(_session(s3))
        except (BotoCoreError, ValueError) as error:
            raise RequestError(
                f"object store {base}: {error}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or the "
                "resource's s3 settings"
            ) from error
        store = S3Store(
            bucket,
            prefix=prefix or None,
            # AWS_ENDPOINT_URL_S3 in the environment would override `endpoint`, but not this.
            aws_endpoint_url_s3=place.endpoint_url,
            region=place.region_name,
            virtual_hosted_style_request=False,
            skip_signature=s3.use_unsigned_session,
            credential_provider=credentials,
            client_options={
                "allow_http": place.endpoint_url.startswith("http://"),
                "allow_invalid_certificates": s3.verify is False,
                "connect_timeout": timedelta(seconds=10),
                "timeout": timedelta(minutes=10),  # of one whole request, and a file is sent in one
            },
            retry_config={"max_retries": s3.max_attempts - 1, "retry_timeout": timedelta(minutes=2)},
        )
        return cls(store, base, None)

    def put(self, key: str, path: Path) -> bool:
        """See :meth:`ObjectStore.put`."""
        with path.open("rb") as source:
            return self._put(key, source)

    def put_bytes(self, key: str, data: bytes) -> bool:
        """See :meth:`ObjectStore.put_bytes`."""
        return self._put(key, io.BytesIO(data))

    def get(self, key: str) -> bytes:
        """See :meth:`ObjectStore.get`."""
        with self._access(key):
            return bytes(obstore.get(self._store, key).bytes())

    def range(self, key: str, start: int, length: int) -> bytes:
        """See :meth:`ObjectStore.range`."""
        if start < 0 or length < 1:
            raise RequestError(f"bytes {start} + {length} of {key!r}: start must be >= 0 and length >= 1")
        with self._access(key):
            try:
                return bytes(obstore.get_range(self._store, key, start=start, length=length))
            except GenericError:
                if start < obstore.head(self._store, key)["size"]:
                    raise
                return b""  # past the end, which obstore reports like any other fault

    def fetch(self, key: str, scratch: Path) -> Path:
        """See :meth:`ObjectStore.fetch`."""
        with self._access(key):
            if self._root is not None:
                obstore.head(self._store, key)
                return self._root / key
            target = scratch / hashlib.sha256(self._base.encode()).hexdigest()[:16] / key
            if not target.exists():
                self._download(key, target)
            return target

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """See :meth:`ObjectStore.list`."""
        with self._access(prefix) if prefix else _faults(self._base):
            found = sorted(
                StoredObject(entry["path"], entry["size"], entry["last_modified"])
                for page in obstore.list(self._store, prefix or None)
                for entry in page
            )
        return iter(found)

    def delete(self, key: str) -> None:
        """See :meth:`ObjectStore.delete`."""
        with self._access(key):
            try:
                obstore.delete(self._store, key)
            except FileNotFoundError:
                return

    def exists(self, key: str) -> bool:
        """See :meth:`ObjectStore.exists`."""
        with self._access(key):
            try:
                obstore.head(self._store, key)
            except FileNotFoundError:
                return False
            return True

    def url(self, key: str) -> str:
        """See :meth:`ObjectStore.url`."""
        check_key(key)
        return f"{self._base}/{key}"

    def key_of(self, url: str) -> str:
        """See :meth:`ObjectStore.key_of`."""
        key = url.removeprefix(f"{self._base}/")
        if key == url or not is_key(key):
            raise RequestError(f"{url!r} is not an address in the object store {self._base}; check WEFT_STORE")
        return key

    def probe(self) -> None:
        """See :meth:`ObjectStore.probe`."""
        key = f".probe/{uuid.uuid4().hex}"
        with self._access(key):
            self._create(key, io.BytesIO(b"first"))
            try:
                overwritten = self._create(key, io.BytesIO(b"second"))
            finally:
                obstore.delete(self._store, key)
        if overwritten:
            raise RequestError(
                f"object store {self._base} ignores create-only writes (If-None-Match: *) and would overwrite "
                "products; upgrade the server or use another bucket (AWS S3 and MinIO honour them)"
            )

    def _put(self, key: str, source: _Bytes) -> bool:
        with self._access(key):
            if self._create(key, source):
                return True
            source.seek(0)
            wanted = hashlib.file_digest(source, "sha256").hexdigest()
            try:
                found = self._digest(key)
            except FileNotFoundError as error:  # S3 answers two racing writers with a conflict, obstore with "exists"
                raise Unavailable(f"{self.url(key)} is being written by someone else; try again") from error
        if found != wanted:
            raise IntegrityError(
                f"{self.url(key)} holds other bytes (SHA-256 {found}, expected {wanted}); objects never change: raise "
                "the step's code version, or delete the object if no item refers to it"
            )
        return False

    def _create(self, key: str, source: _Bytes) -> bool:
        try:
            if self._root is None:
                obstore.put(self._store, key, source, mode="create")
            else:
                self._link(self._root, key, source)
        except AlreadyExistsError:
            return False
        return True

    def _link(self, root: Path, key: str, source: _Bytes) -> None:
        # obstore's own put never syncs: after a power cut an immutable key could hold an empty file. So the bytes are
        # on disk before the name exists. Renaming without overwriting is one link(2), atomic and create-only.
        staged = f"{_STAGING}/{uuid.uuid4().hex}"
        (root / _STAGING).mkdir(exist_ok=True)
        try:
            with (root / staged).open("xb") as copy:
                shutil.copyfileobj(source, copy, _CHUNK)
                copy.flush()
                os.fsync(copy.fileno())
            obstore.rename(self._store, staged, key, overwrite=False)
        finally:
            (root / staged).unlink(missing_ok=True)
            for directory in Path(key).parents:  # also when the key was taken: its writer may have died before this
                if (root / directory).is_dir():
                    sync_directory(root / directory)

    def _digest(self, key: str) -> str:
        digest = hashlib.sha256()
        for chunk in obstore.get(self._store, key).stream(min_chunk_size=_CHUNK):
            digest.update(chunk)
        return digest.hexdigest()

    def _download(self, key: str, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{uuid.uuid4().hex}.part")
        try:
            with part.open("xb") as copy:
                for chunk in obstore.get(self._store, key).stream(min_chunk_size=_CHUNK):
                    copy.write(chunk)
                copy.flush()
                os.fsync(copy.fileno())
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    @contextmanager
    def _access(self, key: str) -> Iterator[None]:
        check_key(key)
        with _faults(f"{self._base}/{key}"):
            yield


def _session(s3: S3Resource) -> boto3.Session:
    keys: dict[str, Any] = {
        name: getattr(s3, name)
        for name in ("profile_name", "aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    }
    return boto3.Session(**keys)


@contextmanager
def _faults(place: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise RequestError(f"{place} does not exist; check the bucket or directory and the key") from error
    except (PermissionDeniedError, UnauthenticatedError, PermissionError) as error:
        raise RequestError(f"{place}: access is refused; check the credentials and the bucket's policy") from error
    except (BaseError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise Unavailable(f"{place} did not answer: {reason}; check network and disk space and try again") from error
