"""Ground rule 8, over a full run: canaries in lists of every form, damaged too, and in what they match, turn up nowhere.

All entries are made up. What is searched: everything said, every file of the workspace but the public links themselves, the folder
for temporary files, core files, and the titles of all processes of the run.
"""

import base64
import hashlib
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from aiohttp import web
from tests.lists.documents import ncmec_deleted, ncmec_image, ncmec_page, stopncii_page, stopncii_record, threat
from tests.partner_server import partner_server

from linkwell.base.ids import canonical_id, link_id
from linkwell.base.workspace import Workspace
from linkwell.ledger import exact_digests, ledger_table, write_ledger_part

WORD = "canarycanary"
PASSWORD = "canary-of-a-password"  # noqa: S105 - made up
_IMAGE = exact_digests(b"an image that is listed")
DIGESTS = replace(_IMAGE, pdq=hashlib.sha256(b"its look").digest(), pdq_quality=100)
URL = f"https://a.example/{WORD}/listed.jpg"
TEXT = f"write to {WORD}@mail.ch"

_RUN = """
import json, sys
from linkwell.cli import main
for command in json.load(open(sys.argv[1])):
    sys.argv = ["linkwell", *command]
    try:
        main()
    except SystemExit as stop:
        print("exit", stop.code, "of", *command[:2], flush=True)
"""


def _lists(folder: Path) -> dict[str, tuple[str, bytes]]:
    """A damaged list of every form: name → (form, content)."""
    md5, sha1, sha256 = (value.hex() for value in (DIGESTS.md5, DIGESTS.sha1, DIGESTS.sha256))
    pdq = (DIGESTS.pdq or b"").hex()
    base32 = base64.b32encode(DIGESTS.sha1).decode()
    media = {"sha1_base32": base32, "sha256_hex": sha256, "classification": "csam"}
    tat = {"hash_digest": md5, "algorithm": "MD5", "deleted": False, "id": WORD}
    stopncii = [stopncii_record(pdq), stopncii_record(pdq + WORD), {WORD: WORD}]
    threats = [threat(1, md5), {**threat(2, md5), "indicator": WORD}, WORD]
    return {
        "signals": ("signals", f"# synthetic\nmd5 {md5}\nurl {URL}\nmd5 {md5}{WORD}\n{WORD} {md5}\n".encode()),
        "tx": ("tx-csv", f'signal_type,signal_str\nmd5,{md5}\n"md5,{md5}\nmd5,{WORD}\n'.encode()),
        "lines": ("pdq-lines", f"{pdq},100,{WORD}.jpg\n{pdq}{WORD},1\n".encode()),
        "bare": ("sha1", f"{sha1}\n{sha1}{WORD}\n".encode()),
        "ncmec": (
            "ncmec-xml",
            ncmec_page([ncmec_image(WORD, f"<md5>{md5}</md5><sha1>{WORD}</sha1>")], "/v2/entries?x"),
        ),
        "broken": ("ncmec-xml", ncmec_page([ncmec_image("1", f"<md5>{md5}</md5>"), f"<image><id>{WORD}"])),
        "stopncii": ("stopncii-json", stopncii_page(stopncii)[:-4]),
        "threats": ("threatexchange-json", json.dumps({"data": threats}).encode()),
        "tat": ("tat-json", json.dumps({"results": [tat, {**tat, "hash_digest": WORD}]}).encode()),
        "arachnid": (
            "arachnid-json",
            f"{json.dumps(media)}\n{{{WORD}\n{json.dumps({**media, 'sha1_base32': WORD})}".encode(),
        ),
        "mapped": ("hotline", f"Id,MD5,Url\n{WORD},{md5},{URL}\n2,{WORD},{WORD}\n".encode()),
        "nothing": ("md5", f"{WORD}\n".encode()),
    }


async def _partner(request: web.Request) -> web.StreamResponse:
    if request.path == "/m/lookup":
        return web.json_response([WORD])
    if request.path.startswith("/v2/entries"):
        return web.Response(
            body=ncmec_page([ncmec_image(WORD, f"<md5>{DIGESTS.md5.hex()}</md5>"), ncmec_deleted(WORD, 9)])
        )
    return web.Response(status=403, text=WORD)


def _needles() -> list[bytes]:
    values = [DIGESTS.md5, DIGESTS.sha1, DIGESTS.sha256, DIGESTS.pdq or b"", link_id(URL), canonical_id(URL) or b""]
    needles = [WORD.encode(), PASSWORD.encode()]
    for value in values:
        needles += [value, value.hex().encode(), value.hex().upper().encode(), base64.b64encode(value)[:-4]]
        needles.append(base64.b32encode(value)[:-8])
    return needles


def _titles(group: int) -> bytes:
    """The command lines of all processes of a session."""
    found = b""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(folder.name)) == group:
                found += (folder / "cmdline").read_bytes() + (folder / "comm").read_bytes()
        except (OSError, ValueError):
            continue
    return found


def test_canaries_turn_up_nowhere(tmp_path: Path) -> None:
    """Import, update, fetch, audit, sample, report, expand, check, list, forget: nothing restricted is said or left lying about."""
    workspace = Workspace.create(tmp_path / "w", "birds")
    outside, temporary = tmp_path / "outside", tmp_path / "tmp"
    outside.mkdir()
    temporary.mkdir()
    links = outside / "links.csv"
    urls = [URL, *(f"https://a.example/{number}.jpg" for number in range(6))]
    links.write_text("url,text\n" + "".join(f"{url},{TEXT if url == URL else 'a bird in a tree'}\n" for url in urls))
    seen = datetime(2026, 1, 1, tzinfo=UTC)
    other = replace(DIGESTS, sha256=b"s" * 32, md5=b"m" * 16, sha1=b"1" * 20)
    rows = [(link_id(urls[0]), seen, DIGESTS), (link_id(urls[1]), seen, DIGESTS), (link_id(urls[2]), seen, other)]
    write_ledger_part(workspace.ledger / "run-0.parquet", ledger_table(rows), workspace.master_key())
    embeddings = outside / "e"
    for name in ("img_emb", "metadata"):
        (embeddings / name).mkdir(parents=True)
    np.save(embeddings / "img_emb" / "img_emb_0.npy", np.ones((len(urls), 4), np.float32))
    pq.write_table(pa.table({"url": urls}), embeddings / "metadata" / "metadata_0.parquet")

    commands: list[list[str]] = [["import", str(links)]]
    for name, (form, content) in _lists(outside).items():
        path = outside / f"{name}.list"
        path.write_bytes(content)
        commands.append(["lists", "import", str(path), "--source", name, "--format", form])
    commands += [
        ["lists", "import", str(outside / "tx.list"), "--source", "guess"],
        ["lists", "update", str(outside / "ncmec.list"), "--source", "ncmec", "--format", "ncmec-xml"],
        ["lists", "update", str(outside / "broken.list"), "--source", "signals"],
        ["lists", "import", str(outside / "broken.list"), "--source", "broken"],
        ["lists", "fetch", "x"],
        ["lists", "fetch", "y"],
        ["lists", "note", "tx", "--expires", "2020-01-01", "--as", "ada", "--second", "ben"],
        ["lists", "show"],
        ["lists", "show", "--json"],
        ["audit", "--privacy-cases"],
        ["audit", "--json"],
        ["audit", "sample", "3", str(workspace.root / "sample.csv")],
        ["audit", "sampled", "--found", "0", "--as", "ada"],
        ["audit", "report", "--to", str(workspace.root / "report.html")],
        ["audit", "report", "--json"],
        ["cases", "list"],
        ["cases", "propose", "1", "takedown", "--as", "ada"],
        ["cases", "approve", "1", "--as", "ben"],
        ["cases", "show", "1"],
        ["audit", "expand", "--embeddings", str(embeddings)],
        ["audit", "check", "--by", "h", "--as", "ada"],
        ["lists", "forget", "signals", "--as", "ada", "--second", "ben"],
        ["log", "verify"],
        ["doctor"],
    ]
    (tmp_path / "commands.json").write_text(json.dumps(commands))
    with partner_server(_partner) as server:
        (workspace.root / "linkwell.toml").write_text(
            'dataset = "birds"\n[engine]\nworkers = 1\n'
            '[lists.mappings.hotline]\nrecord_column = "id"\ncolumns = { md5 = "md5", url = "url" }\n'
            f'[lists.exchanges.x]\nkind = "ncmec"\nurl = "{server.url}"\ncredentials = "env:CANARY"\n'
            f'[lists.exchanges.y]\nkind = "stopncii"\nurl = "{server.url}"\ncredentials = "env:CANARY"\n'
            f'[audit.checkers.h]\nkind = "hma"\nurl = "{server.url}"\nenabled = true\ncredentials = "env:CANARY"\n'
        )
        running = subprocess.Popen(
            [sys.executable, "-c", _RUN, str(tmp_path / "commands.json")],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=temporary,
            start_new_session=True,
            env={
                **os.environ,
                "LINKWELL_WORKSPACE": str(workspace.root),
                "TMPDIR": str(temporary),
                "CANARY": f"user:{PASSWORD}",
            },
        )
        titles = b""
        with (tmp_path / "said").open("wb") as said:
            while running.poll() is None:
                titles += _titles(running.pid)
                time.sleep(0.2)
            assert running.stdout is not None
            said.write(running.stdout.read())
    told = (tmp_path / "said").read_bytes()
    codes = dict.fromkeys(line.split()[1] for line in told.decode().splitlines() if line.startswith("exit "))
    assert {"0", "1", "3"} <= set(codes)
    assert told.count(b"exit ") == len(commands), told.decode()[-2_000:]
    assert b"Traceback" not in told
    shown = os.environ.get("LINKWELL_SHOW_RUN")
    if shown:
        Path(shown).write_bytes(told)
    for needle in _needles():
        assert needle not in told, told[max(0, told.find(needle) - 200) :][:400]
        assert needle not in titles
    assert list(temporary.iterdir()) == []
    public = workspace.builds
    for path in workspace.root.rglob("*"):
        if path.is_file() and public not in path.parents:
            data = path.read_bytes()
            for needle in _needles():
                # The database of cases holds link ids, which are no URLs: docs/safety.md.
                if path.name.startswith("cases.sqlite") and needle in (link_id(URL), canonical_id(URL)):
                    continue
                assert needle not in data, path
