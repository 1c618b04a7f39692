"""The documents that go with a release: for people, for catalogues, for regulators. All are counts and the manifest's own words."""

from linkwell.release.documents.facts import ReleaseFacts, gather_facts
from linkwell.release.documents.write import DOCUMENTS, withdrawn_page, write_documents

__all__ = ["DOCUMENTS", "ReleaseFacts", "gather_facts", "withdrawn_page", "write_documents"]
