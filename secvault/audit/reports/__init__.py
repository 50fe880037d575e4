"""The access report: what a period of the log says, for auditors, as PDF and Excel.

It counts what the saved questions answer, says of every empty table what was looked at, keeps the
verdict on integrity apart from that on completeness, and says what it cannot show. What is said is
data (`words/`, `controls.toml`), in English and Vietnamese. Start at `document.Contents`.
"""
