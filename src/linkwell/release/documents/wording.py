"""Sentences that several documents share, so that they cannot come to say different things."""

from linkwell.release.manifest import Manifest

COLLECTION = (
    "Links were read from web archives of Common Crawl: the address of each image, the text that described it, and the page it stood "
    "on. No image was downloaded to make the list, and no site was visited."
)
CHECKED = (
    "What sites state about use (robots.txt, robots meta and headers, TDMRep, Content-Usage, Content-Signal, RSL, licences) was read "
    "from the same archives and combined into a verdict for each use: any reservation wins, and silence stays unknown."
)
PERSONAL = (
    "Captions, pages and images may show or name people. Nobody was asked. People shown or named can report a link, and it is taken back "
    "with all copies that follow the feed."
)
MAINTENANCE = (
    "Entries are taken back through a signed feed of recalls; a holder of a copy runs linkwell purge. Recalls for reasons that must not "
    "be told name whole cells of links, of which most are innocent."
)
KNOWN_LIMITS = (
    "Links die and what they show changes. Hash lists know what somebody has reported before: what was never reported is not found. "
    "Captions are of uneven quality, and languages, regions and people are represented as unevenly as on the web."
)


def audit_words(manifest: Manifest) -> str:
    """What the manifest says of the audit, as a sentence."""
    audit = manifest.audit
    if "without_audit" in audit:
        return f"The list was not audited against hash lists before release; the reason given: {audit['without_audit']}"
    unchecked = audit.get("unchecked")
    left = sum(unchecked.values()) if isinstance(unchecked, dict) else 0
    return (
        f"Before release {int(str(audit['checked'])):,} links were checked against hash lists of known illegal images, exactly and by "
        f"perceptual hash where the image had been fetched ({str(audit['at'])[:10]}); {left:,} could not be checked in full."
    )
