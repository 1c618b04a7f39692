"""Personal data in captions and paths: what is taken for it, and what is not. All of it is made up."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.audit.conftest import World

from linkwell.audit import audit
from linkwell.audit.personal import match_texts, personal_data
from linkwell.base.ids import link_id, link_ids
from linkwell.engine import Engine
from linkwell.lists import Finding, read_findings

FOUND = [
    ("Photo by Jane Roe (jane.roe@mail.example.ch), 2019", "email"),
    ("j_r-1+x@sub.domain.co.uk", "email"),
    ("Call +49 30 901820 today", "phone"),
    ("ring 0049 (0)30 901820", "phone"),
    ("Tel.: 030 901820", "phone"),
    ("Tel: (415) 555-2671", "phone"),
    ("for sale 415-555-2671", "phone"),
    ("WhatsApp 07911 123456", "phone"),
    ("card 4111 1111 1111 1111 exp", "card"),
    ("amex 3782 822463 10005", "card"),
    ("IBAN DE89 3704 0044 0532 0130 00", "iban"),
    ("GB82WEST12345698765432", "iban"),
    ("SSN 536-90-4399", "us-ssn"),
    ("CF RCCMNL83S18D969H", "it-codice-fiscale"),
    ("DNI 54362315K", "es-dni"),
    ("NIE: X-2482300W", "es-dni"),
    ("NI number AB 12 34 56 C", "gb-nino"),
]
NOT_FOUND = [
    "logo@2x.png",
    "a picture by @jane and @john",
    "info@shop.ch",
    "you@example.com, name@yourdomain.com, a@b.example",
    "2016-01-09 at 14.06.48",
    "1977223_10203041332852016_274302103_n",
    "card 4111 1111 1111 1112",
    "IBAN DE89 3704 0044 0532 0130 01",
    "SSN 000-12-3456",
    "part 536-90-43991",
    "ISBN 978-3-16-148410-0",
    "RAL 7016, 12 345 678 pieces, 1,000,000.00",
    "price 100 200 300 400",
    "version 1.2.3.4.5.6.7.8",
    "DNI 54362315A",
    "DSC 0415 5552671",
    "192.168.100.200",
    "1920-1080-2560-1440",
    "",
]


@pytest.mark.parametrize(("text", "kind"), FOUND, ids=[kind + str(n) for n, (_, kind) in enumerate(FOUND)])
def test_what_is_personal(text: str, kind: str) -> None:
    """Each is found, in a caption as in the path of a URL, and as nothing else."""
    assert personal_data(text) == {kind}
    table = pa.table(
        {"url": ["https://a.example/" + text.replace(" ", "%20"), "https://a.example/"], "text": ["", text]}
    )
    rows = list(match_texts(table))
    assert (1, ("personal-data", kind)) in rows
    assert {row for row, _ in rows} == {0, 1}
    assert {match.finding_class for _, match in rows} == {"privacy"}


@pytest.mark.parametrize("text", NOT_FOUND)
def test_what_is_not(text: str) -> None:
    """File names, dates, sizes, wrong check digits, boxes of a role and made-up domains are none."""
    assert personal_data(text) == set()
    assert list(match_texts(pa.table({"url": ["https://a.example/x"], "text": [text]}))) == []


def test_only_the_path_of_a_url_is_looked_at() -> None:
    """Hosts, ports and queries hold numbers of machines; text that is null is none."""
    urls = [
        "https://4155552671.example:8080/a?tel=+49309018200#jane@mail.ch",
        "https://a.example/contact/jane%40mail.ch/x",
    ]
    rows = list(match_texts(pa.table({"url": urls, "text": pa.array([None, None], pa.string())})))
    assert [row for row, _ in rows] == [1]


@given(st.text(alphabet="0123456789 -.()+@abZ/DE", max_size=60))
@settings(max_examples=300, deadline=None)
def test_the_quick_look_misses_nothing(text: str) -> None:
    """Whatever the slow look finds, the quick one before it has let through."""
    found = {match.algorithm for _, match in match_texts(pa.table({"url": ["https://a.example/"], "text": [text]}))}
    assert found == personal_data(text)


def test_findings_of_class_privacy(world: World, engine: Engine) -> None:
    """An audit notes them, once a link, with what they are and never the data; the next audit replaces them."""
    urls = ["https://a.example/one.jpg", "https://a.example/two.jpg"]
    path = world.folder / "links.parquet"
    world.listed(["md5 " + "0" * 32])

    def run(*texts: str) -> dict[str, int]:
        pq.write_table(pa.table({"link_id": link_ids(urls), "url": urls, "text": list(texts)}), path)
        return audit(world.workspace, links=[path], label="test", engine=engine).findings

    assert run("call +49 30 901820 or +49 30 901821, jane@mail.ch", "a bird") == {"privacy": 1}
    (finding,) = read_findings(world.workspace)
    assert finding == Finding(link_id(urls[0]), "privacy", "personal-data", "email")
    assert run("a bird", "a bee") == {}
    assert list(read_findings(world.workspace)) == []


def test_personal_data_can_be_left_alone(world: World, engine: Engine) -> None:
    """The setting switches it off."""
    with (world.workspace.root / "linkwell.toml").open("a") as file:
        file.write("[audit]\npersonal_data = false\n")
    path = world.folder / "links.parquet"
    url = "https://a.example/one.jpg"
    pq.write_table(pa.table({"link_id": link_ids([url]), "url": [url], "text": ["jane@mail.ch"]}), path)
    world.listed(["md5 " + "0" * 32])
    opened = type(world.workspace).open(world.workspace.root)
    assert audit(opened, links=[path], label="test", engine=engine).findings == {}
