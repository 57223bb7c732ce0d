"""A real S3 server for the tests: Ceph's radosgw from Debian, its data in memory, without authentication between its parts."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ACCESS_KEY, SECRET_KEY = "testaccess", "testsecretkey"
PROGRAMS = ("radosgw", "radosgw-admin", "ceph-mon", "ceph-osd", "ceph", "monmaptool")

_CONFIG = """
[global]
fsid = {fsid}
mon host = v1:127.0.0.1:{monitor}
auth cluster required = none
auth service required = none
auth client required = none
osd objectstore = memstore
memstore device bytes = 4294967296
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd max object name len = 256
mon allow pool size one = true
mon max pg per osd = 1000
osd crush chooseleaf type = 0
osd crush update on start = false
osd class update on start = false
public addr = 127.0.0.1
keyring = {folder}/keyring
run dir = {folder}
admin socket = {folder}/$name.asok
pid file = {folder}/$name.pid
log file = {folder}/$name.log
mon data = {folder}/mon
osd data = {folder}/osd
[client.rgw.a]
rgw frontends = beast endpoint=127.0.0.1:{gateway}
rgw data = {folder}/rgw
"""


def missing_program() -> str | None:
    """The first program of the server that this machine lacks."""
    return next((program for program in PROGRAMS if shutil.which(program) is None), None)


class ServerError(Exception):
    """A program of the server did not do what it was started for."""


@contextmanager
def s3_server(folder: Path) -> Iterator[str]:
    """Starts the server in `folder`, a short path, and gives its address; ends it afterwards.

    A port can be taken between being found free and being used, so a start that fails is made again with others, twice.
    """
    running: list[subprocess.Popen[bytes]] = []
    try:
        for attempt in range(3):
            place = folder / str(attempt)
            place.mkdir()
            try:
                address = _start(place, running)
                break
            except (ServerError, subprocess.TimeoutExpired):
                _end(running)
                if attempt == 2:
                    raise
        yield address
    finally:
        _end(running)


def _start(folder: Path, running: list[subprocess.Popen[bytes]]) -> str:
    gateway, monitor = _free_port(), _free_port()
    fsid, osd = uuid.uuid4(), uuid.uuid4()
    config = folder / "ceph.conf"
    for part in ("mon", "osd", "rgw"):
        (folder / part).mkdir()
    config.write_text(_CONFIG.format(fsid=fsid, monitor=monitor, gateway=gateway, folder=folder))

    def start(*command: str) -> None:
        with open(folder / f"{command[0]}.out", "wb") as log:
            running.append(subprocess.Popen([command[0], "-c", str(config), "-f", *command[1:]], stdout=log, stderr=log))

    def ended() -> list[object]:
        return [process.args for process in running if process.poll() is not None]

    def do(*command: str) -> None:
        """A monitor that is not yet elected refuses commands, so each is given two minutes."""
        last = time.monotonic() + 120
        while True:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            if done.returncode == 0:
                return
            if ended() or time.monotonic() > last:
                raise ServerError(f"{command} gave {done.returncode}: {done.stderr[-2000:]}; ended before: {ended()}")
            time.sleep(1)

    configured = ("-c", str(config))
    do("monmaptool", "--create", "--addv", "a", f"[v1:127.0.0.1:{monitor}]", "--fsid", str(fsid), str(folder / "monmap"))
    do("ceph-mon", *configured, "--mkfs", "-i", "a", "--monmap", str(folder / "monmap"))
    start("ceph-mon", "-i", "a")
    do("ceph", *configured, "--connect-timeout", "30", "osd", "create", str(osd))
    do("ceph-osd", *configured, "-i", "0", "--mkfs", "--osd-uuid", str(osd))
    start("ceph-osd", "-i", "0")
    do("ceph", *configured, "osd", "crush", "add", "osd.0", "1", "root=default", "host=localhost")
    start("radosgw", "-n", "client.rgw.a")
    for _ in range(900):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", gateway)) == 0:
                break
        if ended():
            raise ServerError(f"ended instead of serving: {ended()}")
        time.sleep(0.1)
    else:
        raise ServerError("radosgw did not listen within 90 seconds")
    user = ("--uid=t", "--display-name=t", f"--access-key={ACCESS_KEY}", f"--secret={SECRET_KEY}")
    do("radosgw-admin", *configured, "user", "create", *user)
    return f"http://127.0.0.1:{gateway}"


def _end(running: list[subprocess.Popen[bytes]]) -> None:
    while running:
        process = running.pop()
        process.kill()
        process.wait()


def environment(address: str) -> dict[str, str]:
    """The variables by which a client finds the server."""
    return {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": "us-east-1",
    }


def make_bucket(address: str, name: str) -> None:
    """Makes a bucket: a PUT signed as Signature Version 4 asks."""
    import datetime
    import hashlib
    import hmac
    import urllib.request

    host = address.removeprefix("http://")
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    empty = hashlib.sha256(b"").hexdigest()
    signed = "host;x-amz-content-sha256;x-amz-date"
    request = f"PUT\n/{name}\n\nhost:{host}\nx-amz-content-sha256:{empty}\nx-amz-date:{now}\n\n{signed}\n{empty}"
    scope = f"{now[:8]}/us-east-1/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{SECRET_KEY}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    headers = {
        "x-amz-date": now,
        "x-amz-content-sha256": empty,
        "Authorization": f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope},SignedHeaders={signed},Signature={signature}",
    }
    urllib.request.urlopen(urllib.request.Request(f"{address}/{name}", method="PUT", headers=headers), timeout=30).close()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
