"""Named files in a bucket of any S3 server, under a prefix.

Who may do this is told by the usual variables (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`,
`AWS_ENDPOINT_URL`) or by the usual files (`~/.aws/credentials` and `config`, or what `AWS_SHARED_CREDENTIALS_FILE`, `AWS_CONFIG_FILE`
and `AWS_PROFILE` name). Nothing of it is ever printed.

`add` is a conditional write (`If-None-Match: *`), so that of two writers one is told. Payloads are signed with their SHA-256, which the
server checks. Requests that fail in passing are tried again; one that keeps failing is a `BadEnvironment`. Larger files go up in parts,
which S3 cannot make conditional: those are objects only, whose bytes are those of their name whoever writes them.

Source: Amazon S3 API reference (conditional writes, Signature Version 4).
"""

from __future__ import annotations

import configparser
import io
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from genopipe.errors import BadConfiguration, BadEnvironment
from genopipe.store.files import Found, Location, size_of

SINGLE_PUT_BYTES = 64 << 20
BUFFER_BYTES = 64 << 10
ATTEMPTS = 6
_PART_BYTES = 16 << 20
_METADATA_SERVICE = "169.254.169.254"
"""Where a machine in the cloud is asked for its role, the last place that is tried."""

_Result = TypeVar("_Result")


class S3Files:
    """Files at `s3://bucket/prefix`. `bytes_read` counts the bytes of files that were fetched."""

    def __init__(self, location: str) -> None:
        from obstore.store import S3Store

        bucket, _, prefix = location.removeprefix("s3://").partition("/")
        if len(bucket) < 3:
            raise BadConfiguration(
                f"{location!r} names no bucket", wanted="s3://bucket/prefix, the bucket of 3 letters or more", do="Mend --archive."
            )
        self._location = f"s3://{bucket}/{prefix.strip('/')}".rstrip("/")
        self._store = S3Store(bucket, prefix=prefix.strip("/") or None, **_settings())
        self.bytes_read = 0

    @property
    def place(self) -> Location:
        return self._location

    def listed(self, folder: str) -> Iterator[Found]:
        import obstore

        base = folder.rpartition("/")[0]
        found = self._tried(lambda: [entry for page in obstore.list(self._store, prefix=base or None) for entry in page])
        for entry in sorted(found, key=lambda entry: entry["path"]):
            if entry["path"].startswith(folder):
                yield _found(entry)

    def found(self, name: str) -> Found | None:
        try:
            return _found(self._tried(lambda: self._store.head(name)))
        except FileNotFoundError:
            return None

    def read(self, name: str) -> bytes:
        content = self._tried(lambda: bytes(self._store.get(name).bytes()))
        self.bytes_read += len(content)
        return content

    def open(self, name: str) -> BinaryIO:
        size = self._tried(lambda: self._store.head(name))["size"]
        return io.BufferedReader(_Parts(self, name, size), BUFFER_BYTES)

    def add(self, name: str, source: bytes | Path) -> bool:
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        if size_of(source) > SINGLE_PUT_BYTES:
            self.replace(name, source)
            return True
        content = source if isinstance(source, bytes) else source.read_bytes()
        try:
            self._tried(lambda: self._store.put(name, content, mode="create", use_multipart=False))
        except (AlreadyExistsError, PreconditionError):
            return self.read(name) == content  # ours, when the answer to the first attempt was lost
        return True

    def replace(self, name: str, source: bytes | Path) -> None:
        self._tried(lambda: self._store.put(name, source, use_multipart=size_of(source) > SINGLE_PUT_BYTES, chunk_size=_PART_BYTES))

    def delete(self, name: str) -> None:
        with suppress(FileNotFoundError):
            self._tried(lambda: self._store.delete(name))

    def part(self, name: str, start: int, end: int) -> bytes:
        """The bytes from start to end (0-based, half-open) of a file."""
        content = self._tried(lambda: bytes(self._store.get_range(name, start=start, end=end)))
        self.bytes_read += len(content)
        return content

    def _tried(self, request: Callable[[], _Result]) -> _Result:
        """The answer to a request, asked again a few times where the server or the line fails."""
        from obstore import exceptions

        lasting = (exceptions.AlreadyExistsError, exceptions.PreconditionError)
        for attempt in range(ATTEMPTS):
            try:
                return request()
            except lasting:
                raise
            except (FileNotFoundError, exceptions.NotFoundError) as error:
                if "NoSuchBucket" in str(error):
                    raise self._failed("there is no such bucket") from None
                raise FileNotFoundError(self._location) from error
            except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError):
                raise self._failed("the server refuses these credentials") from None
            except (exceptions.BaseError, OSError) as error:
                if _METADATA_SERVICE in str(error):
                    raise self._failed("there are no credentials, neither in variables nor in files nor from this machine's role") from None
                if attempt == ATTEMPTS - 1:
                    raise self._failed(f"the server did not answer as it should, asked {ATTEMPTS} times ({_brief(error)})") from None
                time.sleep(0.05 * 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    def _failed(self, came: str) -> BadEnvironment:
        return BadEnvironment(
            came,
            wanted="an S3 server that lets this bucket be read and written",
            do="Check AWS_ENDPOINT_URL, AWS_REGION, the credentials and the bucket, then run again: what is archived stays.",
            path=self._location,
        )


class _Parts(io.RawIOBase):
    """A file in a bucket as a raw stream: what is read is fetched, nothing else."""

    def __init__(self, files: S3Files, name: str, size: int) -> None:
        self._files, self._name, self._size, self._at = files, name, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._at + len(buffer), self._size)
        if end <= self._at:
            return 0
        content = self._files.part(self._name, self._at, end)
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)


def _found(entry: Any) -> Found:
    return Found(entry["path"], entry["size"], entry["last_modified"].timestamp())


def _brief(error: Exception) -> str:
    """The first line of what the client says, without addresses or signatures."""
    lines = str(error).splitlines()
    return " ".join(re.sub(r"\(?https?://\S+", "", lines[0]).split())[:200] if lines else type(error).__name__


def _settings() -> dict[str, Any]:
    """How to reach the server: the environment, and what it leaves open from the files."""
    shared = _section("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials", "") | _section("AWS_CONFIG_FILE", "~/.aws/config", "profile ")
    names = {
        "access_key_id": "aws_access_key_id",
        "secret_access_key": "aws_secret_access_key",
        "session_token": "aws_session_token",
        "region": "region",
        "endpoint": "endpoint_url",
    }
    own = "AWS_ACCESS_KEY_ID" in os.environ
    secret = {"access_key_id", "secret_access_key", "session_token"}
    config = {setting: shared[name] for setting, name in names.items() if name in shared and not (own and setting in secret)}
    config |= {"region": os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or config.get("region", "us-east-1")}
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or config.get("endpoint")
    config |= {"endpoint": endpoint} if endpoint else {}
    return {
        "config": config,
        "client_options": {"allow_http": bool(endpoint and endpoint.startswith("http://")), "timeout": timedelta(minutes=10)},
        "retry_config": {
            "max_retries": 5,
            "backoff": {"init_backoff": timedelta(milliseconds=50), "max_backoff": timedelta(seconds=5), "base": 2},
            "retry_timeout": timedelta(minutes=2),
        },
    }


def _section(variable: str, default: str, kind: str) -> dict[str, str]:
    """The part of a file of settings that AWS_PROFILE names. Raises BadConfiguration for a file that cannot be read."""
    path = Path(os.environ.get(variable, default)).expanduser()
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(path)
    except configparser.Error:
        raise BadConfiguration("this is no file of settings", wanted="sections with name = value", do="Mend it.", path=path) from None
    profile = os.environ.get("AWS_PROFILE", "default")
    section = profile if profile == "default" else kind + profile
    return dict(parser[section]) if parser.has_section(section) else {}
