"""An S3 server on loopback, and the back ends the contract tests run over."""

from __future__ import annotations

import multiprocessing
import uuid
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerContext
from multiprocessing.forkserver import ensure_running
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from resources.object_store import ObjectStore
from tests.conftest import ROOT
from tests.resources.children import StoreSettings, access


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        return


class S3Server:
    """moto on a free loopback port; ``conditional`` is False for one that ignores If-None-Match."""

    def __init__(self, *, conditional: bool) -> None:
        moto = DomainDispatcherApplication(create_backend_app)

        def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
            if not conditional:
                environ.pop("HTTP_IF_NONE_MATCH", None)
            return moto(environ, start_response)

        self._server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self._client = access(self.endpoint).get_client()

    def new_bucket(self) -> str:
        bucket = f"weft-{uuid.uuid4().hex[:12]}"
        self._client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        return bucket

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    server = S3Server(conditional=True)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def careless_s3_server() -> Iterator[S3Server]:
    server = S3Server(conditional=False)
    yield server
    server.stop()


@pytest.fixture(params=["local", "s3"])
def store_settings(request: pytest.FixtureRequest, tmp_path: Path) -> StoreSettings:
    if request.param == "local":
        return StoreSettings(str(tmp_path / "a store"), None)
    server: S3Server = request.getfixturevalue("s3_server")
    return StoreSettings(f"s3://{server.new_bucket()}/some/prefix", server.endpoint)


@pytest.fixture
def store(store_settings: StoreSettings) -> ObjectStore:
    return store_settings.resource().open()


@pytest.fixture(scope="session")
def forkserver() -> ForkServerContext:
    """Fresh processes in milliseconds: the server has the imports done and no threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.resources.children"])
    with pytest.MonkeyPatch.context() as patch:  # the server imports what it preloads before it learns our sys.path
        patch.setenv("PYTHONPATH", str(ROOT))
        ensure_running()
    return context
