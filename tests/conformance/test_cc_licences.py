"""Every Creative Commons licence there has been."""

import json
from pathlib import Path

from linkwell.rights import licence_of


def test_every_licence_and_jurisdiction_is_recognised(shared_vectors: Path) -> None:
    """All combinations of version, jurisdiction and kind of Openverse's list come out in canonical form."""
    listed: dict[str, dict[str, list[str]]] = json.loads(
        (shared_vectors / "cc-licence/all_licenses.json").read_text("utf-8")
    )
    seen = 0
    for version, jurisdictions in listed.items():
        for jurisdiction, kinds in jurisdictions.items():
            for kind in kinds:
                if kind in {"cc0", "pdm", "certification"}:
                    continue
                path = f"creativecommons.org/licenses/{kind}/{version}/{jurisdiction}{'/' if jurisdiction else ''}"
                assert licence_of([f"http://www.{path}deed.en"]) == f"https://{path}"
                seen += 1
    assert seen > 500
