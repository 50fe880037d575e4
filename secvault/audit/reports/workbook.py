"""The report as an Excel workbook: a sheet for each table, with all rows that the report holds.

Text is never a formula; a moment stands in UTC and by the clocks of the reader, in two columns.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from secvault.audit.reports.document import MOMENTS
from secvault.audit.reports.words import words
from secvault.crypto.canonical import JsonValue
from secvault.tabular.xlsx_file import MOST_CHARACTERS

if TYPE_CHECKING:
    from xlsxwriter.worksheet import Worksheet

_LONGEST_NAME = 31
_WIDTHS = {"root": 70, "what": 26, "who": 44, "subject": 44, "on": 44, "collection": 34}
_USUAL_WIDTH, _MOMENT_WIDTH = 20, 27


def report_xlsx(document: Mapping[str, JsonValue], language: str) -> bytes:
    """The workbook. document: as `document.document` makes it. Raises InvalidInput."""
    return _Book(document, language).made()


class _Book:
    def __init__(self, document: Mapping[str, Any], language: str) -> None:
        from xlsxwriter import Workbook  # noqa: PLC0415 - loaded where one is written

        self._report, self._language, self._words = document, language, words(language)
        self._to = io.BytesIO()
        self._book = Workbook(
            self._to,
            {
                "in_memory": True,
                "strings_to_formulas": False,
                "strings_to_numbers": False,
                "strings_to_urls": False,
            },
        )
        self._head = self._book.add_format({"bold": True, "text_wrap": True, "valign": "top"})
        self._text = self._book.add_format({"num_format": "@", "valign": "top"})
        self._long = self._book.add_format({"num_format": "@", "valign": "top", "text_wrap": True})
        self._title = self._book.add_format({"bold": True, "font_size": 14})

    def made(self) -> bytes:
        self._summary()
        self._log()
        for table in self._report["tables"]:
            self._table(table)
        self._controls()
        self._limits()
        self._book.close()
        return self._to.getvalue()

    def _sheet(self, title: str, widths: Iterable[int]) -> Worksheet:
        sheet = self._book.add_worksheet(title[:_LONGEST_NAME])
        for at, width in enumerate(widths):
            sheet.set_column(at, at, width)
        return sheet

    def _summary(self) -> None:
        said, report = self._words["report"], self._report
        sheet = self._sheet(said["summary"], (44, 60))
        sheet.write_string(0, 0, said["title"], self._title)
        facts = {
            "organisation": report["organisation"],
            "vault": report["vault"],
            "period": report["month"] or said["whole_log"],
            "since": both(report["since"]) or said["beginning"],
            "until": both(report["until"]) or said["now"],
            "zone": report["zone"],
            "department": report["department"] or said["all_departments"],
            "hours": hours_of(report["hours"], self._words),
            "made_at": both(report["made_at"]),
            "made_by": report["made_by"],
            "program": report["program"],
            "names": said["names_shown" if report["names"] else "names_hidden"],
        }
        rows = [(said[key], value) for key, value in facts.items()]
        figures = [(self._words["figures"][one["key"]], one["value"]) for one in report["figures"]]
        self._rows(sheet, [*rows, ("", ""), *figures], at=2)

    def _log(self) -> None:
        said, log = self._words["log"], self._report["log"]
        sheet = self._sheet(said["title"], (44, 90))
        facts: list[tuple[str, Any]] = [
            (said["integrity"], said["intact" if log["intact"] else "damaged"]),
            (said["completeness"], said["complete" if log["complete"] else "incomplete"]),
            (said["origin"], log["origin"]),
            (said["size"], log["size"]),
            (said["root"], log["root"]),
            (said["entries"], f"{log['first']} – {log['after'] - 1}" if _has(log) else said["no"]),
            (said["checkpoints"], log["checkpoints"]),
            (said["pending"], log["pending"]),
            (said["archived"], f"{log['archived']}; {log['hashes_only']}"),
            (said["stops"], log["stops"]),
            *((said["unread"], one) for one in log["unread"]),
            *self._signed(log["signed"]),
            *((self._outside(one), both(one["at"]) or said["never"]) for one in log["outside"]),
            *((said["problem"], f"{one['seq']}: {one['what']}") for one in log["problems"]),
        ]
        if not log["outside"]:
            facts.append((said["outside"], said["outside_none"]))
        self._rows(sheet, facts, at=0)

    def _signed(self, signed: Mapping[str, Any] | None) -> list[tuple[str, Any]]:
        said = self._words["log"]
        if signed is None:
            return [(said["signed"], said["no"])]
        return [
            (said["signed"], f"{signed['size']} · {both(signed['at'])}"),
            (said["signed_root"], signed["root"]),
            (said["note"], signed["note"]),
        ]

    def _outside(self, one: Mapping[str, Any]) -> str:
        fault = f" · {one['fault']}" if one["fault"] else ""
        return f"{self._words['log'][one['sort']]} {one['name']}: {one['size']}{fault}"

    def _table(self, table: Mapping[str, Any]) -> None:
        said, titles = self._words["tables"][table["key"]], self._words["columns"]
        columns = [*_columns(table["columns"])]
        sheet = self._sheet(said["sheet"], (_width(name) for name, _ in columns))
        sheet.write_string(0, 0, said["title"], self._title)
        sheet.write_string(1, 0, scope_of(self._report, table, self._words))
        for at, (name, clock) in enumerate(columns):
            zone = {"utc": " (UTC)", "local": f" ({self._report['zone']})"}.get(clock, "")
            sheet.write_string(3, at, f"{titles[name]}{zone}", self._head)
        sheet.freeze_panes(4, 0)
        for at, row in enumerate(table["rows"]):
            values = dict(zip(table["columns"], row, strict=True))
            for place, (name, clock) in enumerate(columns):
                value = values[name]
                shown = value[clock] if clock and isinstance(value, dict) else value
                self._cell(sheet, 4 + at, place, self._said(shown))
        if not table["rows"]:
            sheet.write_string(4, 0, none_of(table, self._words))
        elif table["total"] > len(table["rows"]):
            more = self._words["report"]["more_rows"].format(
                shown=len(table["rows"]), total=table["total"]
            )
            sheet.write_string(2, 0, more)

    def _controls(self) -> None:
        said, language = self._words["controls"], self._language
        sheet = self._sheet(said["title"], (26, 12, 46, 60, 90))
        heads = ("framework", "control", "requirement", "evidence", "note")
        for at, head in enumerate(heads):
            sheet.write_string(0, at, said[head], self._head)
        sheet.freeze_panes(1, 0)
        for at, one in enumerate(self._report["controls"], 1):
            evidence = "\n".join(evidence_of(each, self._words) for each in one["evidence"])
            cells = (
                said[one["framework"]],
                one["id"],
                one["title"][language],
                evidence,
                one["note"][language],
            )
            for place, cell in enumerate(cells):
                sheet.write_string(at, place, cell, self._long)
        sheet.write_string(len(self._report["controls"]) + 2, 0, said["honest"])

    def _limits(self) -> None:
        said = self._words["limits"]
        sheet = self._sheet(said["title"], (120,))
        for at, line in enumerate(said["lines"]):
            sheet.write_string(at, 0, line, self._long)

    def _rows(self, sheet: Worksheet, rows: Sequence[tuple[str, Any]], *, at: int) -> None:
        for place, (name, value) in enumerate(rows, at):
            sheet.write_string(place, 0, name, self._head)
            self._cell(sheet, place, 1, value)

    def _cell(self, sheet: Worksheet, at: int, place: int, value: JsonValue) -> None:
        if isinstance(value, bool):
            answer = self._words["values"]["true" if value else "false"]
            sheet.write_string(at, place, answer, self._text)
        elif isinstance(value, int):
            sheet.write_number(at, place, value)
        elif value not in ("", None):
            # Excel holds no more; the log has it.
            sheet.write_string(at, place, str(value)[: MOST_CHARACTERS // 2], self._text)

    def _said(self, value: JsonValue) -> JsonValue:
        return self._words["values"].get(value, value) if isinstance(value, str) else value


def hours_of(hours: Mapping[str, Any], said: Mapping[str, Any]) -> str:
    """What counts as after hours."""
    return str(said["report"]["outside_of"]).format(
        days=", ".join(said["days"].get(day, day) for day in hours["days"]),
        spans=", ".join(hours["spans"]),
        zone=hours["zone"],
        holidays=hours["holidays"],
    )


def both(moment: Any) -> str:
    """A moment by both clocks; empty for none."""
    return f"{moment['local']} · {moment['utc']}" if moment else ""


def none_of(table: Mapping[str, Any], said: Mapping[str, Any]) -> str:
    """That a table is empty, and what was looked at."""
    looked = said["tables"][table["key"]]["looked"]
    return str(said["report"]["none"]).format(count=table["looked_at"], what=looked)


def scope_of(report: Mapping[str, Any], table: Mapping[str, Any], said: Mapping[str, Any]) -> str:
    """What a table is of: where the report is of a department, whether the table is, too."""
    told = str(said["tables"][table["key"]]["told"])
    if not report["department"]:
        return told
    scope = "narrowed" if table["narrowed"] else "not_narrowed"
    return f"{told} {said['report'][scope].format(department=report['department'])}"


def evidence_of(one: Mapping[str, Any], said: Mapping[str, Any]) -> str:
    """What is shown of a control, with how much there is."""
    if "total" not in one:
        return str(said["log"]["title"])
    title = said["tables"][one["key"]]["title"]
    rows = said["report"]["evidence_rows"].format(total=one["total"], count=one["looked_at"])
    return f"{title}: {rows}"


def _columns(names: Iterable[str]) -> Iterable[tuple[str, str]]:
    for name in names:
        if name in MOMENTS:
            yield name, "utc"
            yield name, "local"
        else:
            yield name, ""


def _width(name: str) -> int:
    return _MOMENT_WIDTH if name in MOMENTS else _WIDTHS.get(name, _USUAL_WIDTH)


def _has(log: Mapping[str, Any]) -> bool:
    return bool(log["after"] > log["first"])
