"""The finding of a drill as a page that people read: HTML made from the signed document."""

from __future__ import annotations

from collections.abc import Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined

from secvault.crypto.canonical import JsonValue

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "title": "Restore drill",
        "passed": "Passed: the backup restores and can be used.",
        "failed": "Failed: the backup does not restore as it should.",
        "plan": "Plan",
        "repository": "Repository",
        "snapshot": "Snapshot",
        "requested_by": "Requested by",
        "started_at": "Begun",
        "finished_at": "Ended",
        "data_at": "Data as of",
        "rpo": "RPO: data that would have been lost",
        "rto": "RTO: time until usable",
        "events": "Audited operations since the backup",
        "files": "Files",
        "bytes": "Bytes",
        "steps": "What was proven",
        "step": "Step",
        "result": "Result",
        "finding": "Finding",
        "yes": "proven",
        "no": "not proven",
        "signed": "Signed finding",
        "verify": "Check it with: secvault drill verify",
        "seconds": "s",
    },
    "vi": {
        "title": "Diễn tập khôi phục",
        "passed": "Đạt: bản sao lưu khôi phục được và dùng được.",
        "failed": "Không đạt: bản sao lưu không khôi phục được như yêu cầu.",
        "plan": "Kế hoạch",
        "repository": "Kho lưu trữ",
        "snapshot": "Bản chụp",
        "requested_by": "Người yêu cầu",
        "started_at": "Bắt đầu",
        "finished_at": "Kết thúc",
        "data_at": "Dữ liệu tại thời điểm",
        "rpo": "RPO: lượng dữ liệu sẽ mất",
        "rto": "RTO: thời gian đến khi dùng được",
        "events": "Thao tác đã ghi nhật ký kể từ lần sao lưu",
        "files": "Số tệp",
        "bytes": "Số byte",
        "steps": "Những gì đã được chứng minh",
        "step": "Bước",
        "result": "Kết quả",
        "finding": "Ghi nhận",
        "yes": "đã chứng minh",
        "no": "chưa chứng minh",
        "signed": "Kết quả đã ký",
        "verify": "Kiểm tra bằng: secvault drill verify",
        "seconds": "giây",
    },
}


def drill_page(document: Mapping[str, JsonValue], note: str, language: str) -> str:
    """The whole HTML page, self-contained. language: `en` or `vi`."""
    environment = Environment(
        loader=PackageLoader("secvault.backup"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("drill.html")
    return page.render(drill=document, note=note, words=WORDS[language], language=language)
