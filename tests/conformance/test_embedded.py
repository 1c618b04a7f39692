"""IPTC's reference pictures, and C2PA and CAWG samples of their makers."""

from pathlib import Path

import pytest

from linkwell.rights import combine, read_embedded


@pytest.mark.parametrize(
    ("name", "verdict", "statement"),
    [
        ("IPTC-PhotometadataRef-Std2023.2.jpg", "disallow", "https://example.com/WebStatementOfRights/ref2023.2"),
        ("IPTC-PhotometadataRef-Std2024.1.jpg", "disallow", "https://example.com/WebStatementOfRights/ref2023.2"),
        ("IPTC-PhotometadataRef-Std2021.1.jpg", "unknown", "https://example.com/WebStatementOfRights/2021.1"),
    ],
)
def test_iptc_reference_pictures(shared_vectors: Path, name: str, verdict: str, statement: str) -> None:
    """DMI-PROHIBITED-GENAIMLTRAINING prohibits training and nothing else; the rights fields are read."""
    data = (shared_vectors / "iptc-photometadata" / name).read_bytes()
    found = read_embedded(data, "image/jpeg")
    assert combine(found.signals) == (verdict, "unknown", "unknown")
    assert found.web_statement == statement
    assert found.licensor_url is not None
    assert found.licensor_url.startswith("https://example.com/LicensorURL_1_ref")
    assert found.creator is not None
    assert found.creator.startswith("Creator1")
    assert found.credit is not None
    assert found.credit.startswith("Credit Line")
    assert found.notice is not None
    assert found.notice.startswith("Copyright (Notice)")


@pytest.mark.parametrize(
    ("name", "train_ai", "tdm", "malformed"),
    [
        ("C_with_CAWG_data.jpg", "disallow", "unknown", False),  # datadiligence 0.1.7 reads it as allowed
        ("datadiligence_sample_c2pa.png", "disallow", "disallow", False),
        ("adobe-20220124-A.jpg", "unknown", "unknown", False),
        ("adobe-20220124-C.jpg", "unknown", "unknown", False),
        ("adobe-20220124-E-sig-CA.jpg", "unknown", "unknown", True),
        ("adobe-20220124-E-dat-CA.jpg", "unknown", "unknown", True),
    ],
)
def test_c2pa_samples(shared_vectors: Path, name: str, train_ai: str, tdm: str, *, malformed: bool) -> None:
    """A `notAllowed` is read from the legacy and the CAWG assertion; a broken signature or hash is malformed, no statement is none."""
    data = (shared_vectors / "c2pa" / name).read_bytes()
    signals = read_embedded(data, "image/png" if name.endswith("png") else "image/jpeg").signals
    verdicts = combine(signals)
    assert (verdicts.train_ai, verdicts.tdm) == (train_ai, tdm)
    assert any(signal.verdict == "unknown" for signal in signals) is malformed
