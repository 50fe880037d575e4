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
        "rpo": "RPO: age of the restored data; what came after it would be lost",
        "rto": "RTO: time from the start until everything was proven",
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
        "restore": "Restored from the repository",
        "file hashes": "Every file as it was",
        "database": "The database opens",
        "data keys": "The data keys come back",
        "audit log": "The audit log is whole",
        "decrypted sample": "Fields decrypt",
        "removal": "The restored copy is removed",
        "proof": "What was restored",
        "details": "The drill",
        "id": "Drill",
        "units": "d h min s",
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
        "rpo": "RPO: tuổi của dữ liệu đã khôi phục; dữ liệu phát sinh sau đó sẽ mất",
        "rto": "RTO: thời gian từ lúc bắt đầu đến khi chứng minh xong mọi bước",
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
        "restore": "Khôi phục từ kho lưu trữ",
        "file hashes": "Mọi tệp đúng như lúc sao lưu",
        "database": "Mở được cơ sở dữ liệu",
        "data keys": "Các khóa dữ liệu được khôi phục",
        "audit log": "Nhật ký kiểm toán nguyên vẹn",
        "decrypted sample": "Giải mã được các trường dữ liệu",
        "removal": "Đã xóa bản khôi phục tạm",
        "proof": "Những gì đã khôi phục",
        "details": "Lần diễn tập",
        "id": "Mã diễn tập",
        "units": "ngày giờ phút giây",
    },
}


def drill_page(document: Mapping[str, JsonValue], note: str, language: str) -> str:
    """The whole HTML page, self-contained: no script, nothing loaded. language: `en` or `vi`."""
    words = WORDS[language]
    environment = Environment(
        loader=PackageLoader("secvault.backup"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["duration"] = lambda milliseconds: duration(milliseconds, words["units"])
    environment.filters["size"] = size
    environment.filters["moment"] = _moment
    page = environment.get_template("drill.html")
    return page.render(drill=document, note=note, words=words, language=language)


def duration(milliseconds: int, units: str) -> str:
    """A duration as people say it: seconds with a tenth below a minute, else its two largest parts.

    units: the words for days, hours, minutes and seconds, between blanks.
    """
    names = units.split()
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} {names[3]}"
    seconds = milliseconds // 1000
    parts = (seconds // 86_400, seconds // 3600 % 24, seconds // 60 % 60, seconds % 60)
    first = next(place for place, part in enumerate(parts) if part)
    return " ".join(
        f"{part} {name}" for part, name in list(zip(parts, names, strict=True))[first : first + 2]
    )


def size(count: int) -> str:
    """Bytes as people say them, with the exact number behind."""
    amount, unit = float(count), 0
    while amount >= 1024 and unit < 4:
        amount, unit = amount / 1024, unit + 1
    if unit == 0:
        return f"{count} B"
    return f"{amount:.1f} {('KiB', 'MiB', 'GiB', 'TiB')[unit - 1]} ({count:,} B)"


def _moment(timestamp: str) -> str:
    return f"{timestamp[:10]} {timestamp[11:19]} UTC"
