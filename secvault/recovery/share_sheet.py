"""The sheet of one share, to print and hand to its holder; made in memory, and kept nowhere."""

from __future__ import annotations

import json
from importlib import resources

from secvault.crypto.secret import Secret
from secvault.crypto.shares import read_share
from secvault.recovery.kit import KitHead
from secvault.recovery.pages import saying, told_moment
from secvault.recovery.words import words


def share_pdf(share: Secret, head: KitHead, language: str) -> bytes:
    """The sheet as a PDF of one page. head: of the kit that the share was made with.

    Raises InvalidInput for another language, or words that are no share.
    """
    # Loaded when it is needed: it is large.
    import typst  # noqa: PLC0415

    found, of = read_share(share, "share"), head.shares
    number = found.index + 1
    say = saying(language, head)
    count = {"number": number, "count": of.shares}
    holder = of.holders[found.index] if found.index < len(of.holders) else ""
    data = {
        "language": language,
        "title": say("share", "title", **count),
        "under": say("share", "under"),
        "for": say("share", "for"),
        "holder": holder or say("share", "anybody"),
        "lead": say("share", "only" if of.threshold == 1 else "lead", **count),
        "words": share.text().split(),
        "facts": [
            [say("share", "facts_set"), str(of.set_id)],
            [say("share", "facts_number"), str(number)],
            [say("share", "facts_needed"), str(of.threshold)],
            [say("share", "facts_issued"), told_moment(head.issued_at)],
            [say("share", "facts_check"), found.check],
            [say("share", "facts_key"), head.evidence_key],
        ],
        "rules_title": say("share", "rules_title"),
        "rules": list(words(language)["share"]["rules"]),
        "footer": say("share", "footer"),
    }
    template = resources.files("secvault.recovery") / "templates" / "share.typ"
    return bytes(
        typst.compile(
            template.read_bytes(),
            sys_inputs={"data": json.dumps(data, ensure_ascii=False)},
            ignore_system_fonts=True,
        )
    )
