"""An S3-compatible server on loopback (moto's), which can be told to die."""

import logging
import math
import socket
import threading
from collections.abc import Iterable, Mapping
from typing import Any

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

BUCKET = "bucket"


class Server:
    """One server. Everything in it is gone when it is closed.

    written: how many objects, so far. sent: how many bytes, so far. dying: it is in the upload that kills it.
    """

    def __init__(self) -> None:
        self.written = 0
        self.sent = 0
        self.dying = threading.Event()
        self._dies_at = math.inf
        self._hangs = False
        self._revived = threading.Event()
        self._application = DomainDispatcherApplication(create_backend_app)
        logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.client = boto3.client("s3", endpoint_url=self.address, **CREDENTIALS)
        self.client.create_bucket(Bucket=BUCKET)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def variables(self) -> Mapping[str, str]:
        """What a process needs to find it, and nobody else."""
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ACCESS_KEY_ID": CREDENTIALS["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": CREDENTIALS["aws_secret_access_key"],
            "AWS_DEFAULT_REGION": CREDENTIALS["region_name"],
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "1",
        }

    def put(self, key: str, content: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=content)

    def get(self, key: str) -> bytes:
        return bytes(self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read())

    def keys(self, prefix: str) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return sorted(each["Key"] for page in pages for each in page.get("Contents", ()))

    def die(self, after: int, *, hanging: bool = False) -> None:
        """Stop in the middle of an upload, so many objects from now, and answer nothing more.

        hanging: let clients wait, instead of hanging up on them.
        """
        self._dies_at, self._hangs = self.written + after, hanging
        self.dying.clear()
        self._revived.clear()

    def revive(self) -> None:
        self._dies_at = math.inf
        self.dying.clear()
        self._revived.set()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        writes = environ["REQUEST_METHOD"] == "PUT"
        if writes and self.written >= self._dies_at:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0) // 2)
            self.dying.set()
        if self.dying.is_set():
            if self._hangs:
                self._revived.wait(60)
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            return []
        self.written += writes
        answer = list(self._application(environ, start_response))
        self.sent += sum(map(len, answer))
        return answer


CREDENTIALS = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
