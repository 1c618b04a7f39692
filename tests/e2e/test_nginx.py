"""The cycle against a real web server: images and the feed served by nginx on loopback."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.e2e.archive import Site, draw, write_warc

LINKWELL = str(Path(sys.executable).with_name("linkwell"))

_CONFIGURATION = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 256; }}
http {{
  access_log {folder}/access.log; types {{ image/jpeg jpg; application/json json; }} default_type application/octet-stream;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3; uwsgi_temp_path {folder}/t4;
  scgi_temp_path {folder}/t5;
  server {{
    listen 127.0.0.1:{port};
    root {folder}/www;
    location = /away.jpg {{ return 302 http://169.254.169.254/secret.jpg; }}
    location = /moved.jpg {{ return 301 /good-1.jpg; }}
    location = /private.jpg {{ add_header X-Robots-Tag "noai, noimageai"; try_files /good-2.jpg =404; }}
    location /feed/ {{ alias {feed}/; }}
  }}
}}
"""


@pytest.fixture
def port() -> int:
    """A free port on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def nginx(tmp_path: Path, port: int) -> Iterator[Path]:
    """A running nginx; yields the folder it serves. The test skips where nginx is not installed."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        pytest.skip("needs nginx (Debian: nginx-light), which is not installed")
    folder = tmp_path / "nginx"
    (folder / "www").mkdir(parents=True)
    tmp_path.chmod(0o755)
    configuration = folder / "nginx.conf"
    text = _CONFIGURATION.format(folder=folder, port=port, feed=tmp_path / "w" / "feed")
    configuration.write_text(f"user root;\n{text}" if os.geteuid() == 0 else text)
    process = subprocess.Popen([program, "-c", str(configuration), "-p", str(folder)], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "error.log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.02)
        yield folder / "www"
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_images_and_feed_from_a_real_server(tmp_path: Path, port: int, nginx: Path) -> None:
    """Each answer of the server is a named outcome, and a lab purges from the feed over HTTP."""

    def run(*arguments: str, code: int = 0) -> dict[str, object]:
        command = [LINKWELL, "-w", str(tmp_path / "w"), *arguments, "--json"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == code, f"{arguments}: {result.returncode}\n{result.stdout}\n{result.stderr}"
        answer: dict[str, object] = json.loads(result.stdout) if result.stdout else {}
        return answer

    for number in range(12):
        (nginx / f"good-{number}.jpg").write_bytes(draw(number))
    (nginx / "text.jpg").write_text("no image at all")
    names = [f"good-{n}" for n in range(12)] + ["away", "moved", "private", "text", "missing"]
    host = f"pictures.example:{port}"
    site = Site(host)
    site.page("index", [(f"{name}.jpg", f"the picture called {name}") for name in names])
    archive = write_warc(tmp_path / "crawl.warc.gz", site.responses)

    subprocess.run([LINKWELL, "init", str(tmp_path / "w"), "--dataset", "birds"], check=True, capture_output=True)
    (tmp_path / "w" / "linkwell.toml").write_text('dataset = "birds"\n[release]\ncell_min_rows = 4\n')
    run("build", str(archive))
    run("feed", "keys")
    run("feed", "init")
    run("release", "create", "v1", "--without-audit", "a test", "--as", "ana")
    run("release", "publish", "v1", "--as", "ana")

    copy = tmp_path / "copy"
    where = ("--resolve", f"{host}:127.0.0.1")
    refused = run("populate", str(tmp_path / "refused"), "--release", "v1", *where)
    assert refused["failed"] == {"refused_address": len(names)}, "loopback is refused unless it is allowed"
    populated = run("populate", str(copy), "--release", "v1", *where, "--allow-net", "127.0.0.0/8")
    assert populated["success"] == 13
    rows = [row for path in copy.glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    outcomes = {r["url"].rsplit("/", 1)[1].removesuffix(".jpg"): r["failure"] for r in rows if r["status"] != "success"}
    assert set(outcomes) == {"away", "private", "text", "missing"}
    assert Counter(outcomes.values()).total() == sum(dict(populated["failed"]).values())  # type: ignore[call-overload]
    assert outcomes["private"] == "opted_out"
    assert outcomes["missing"] == "http_404"
    assert "refused" in outcomes["away"]

    gone = f"http://{host}/good-3.jpg"
    run("cases", "report", gone, "--kind", "opt-out")
    run("cases", "propose", "1", "takedown", "--as", "ana")
    run("cases", "approve", "1", "--as", "ben")
    run("recall", "create", "--as", "ana")
    run("recall", "publish", "--as", "ana")
    root = tmp_path / "w" / "feed" / "metadata" / "1.root.json"
    feed = ("--feed", f"http://127.0.0.1:{port}/feed", "--root", str(root))
    run("purge", "plan", str(copy), *feed, code=3)
    run("purge", "plan", str(copy), *feed, "--allow-net", "127.0.0.0/8", code=1)
    run("purge", "apply", str(copy), *feed, "--allow-net", "127.0.0.0/8", "--yes")
    run("purge", "verify", str(copy), *feed, "--allow-net", "127.0.0.0/8")
    left = [u for p in copy.glob("*.parquet") for u in pq.read_table(p)["url"].to_pylist()]
    assert gone not in left
    assert len(left) == len(names) - 1
