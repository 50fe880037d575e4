"""The evidence of a review as a page that people read: HTML made from the signed document."""

from __future__ import annotations

from collections.abc import Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined

from secvault.crypto.canonical import JsonValue

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "title": "Access review",
        "period": "From and to",
        "owner": "Answers for it",
        "started_by": "Begun by",
        "finished_by": "Ended by",
        "outcome": "Outcome",
        "ownerless": "Systems that nobody answers for",
        "eligible": "Privileged roles that could be activated",
        "pace": "How fast it was decided",
        "reviewer": "Reviewer",
        "decided": "Decided",
        "kept": "Kept",
        "most": "Most in one minute",
        "median": "Seconds between two (median)",
        "items": "What was reviewed",
        "who": "Who",
        "what": "May do what",
        "used": "Last used",
        "verdict": "Decision",
        "comment": "Comment",
        "never": "never seen",
        "nobody": "nobody",
        "pair": "each reviews the other",
        "shortened": "Shortened",
        "revoked": "Revoked",
        "lapsed": "Lapsed: not reviewed in time",
        "void": "Had ended by itself",
        "escalated": "Waits for a decision",
        "open": "Open",
        "disabled": "disabled",
        "no_owner": "owner is out",
        "gone": "unknown",
        "meanwhile": "Granted meanwhile, and not reviewed",
        "signed": "Signed evidence",
        "verify": "Check it with: secvault reviews verify FILE.json --key KEY",
    },
    "vi": {
        "title": "Rà soát quyền truy cập",
        "period": "Từ và đến",
        "owner": "Người chịu trách nhiệm",
        "started_by": "Người bắt đầu",
        "finished_by": "Người kết thúc",
        "outcome": "Kết quả",
        "ownerless": "Hệ thống không ai phụ trách",
        "eligible": "Vai trò đặc quyền có thể được kích hoạt",
        "pace": "Tốc độ quyết định",
        "reviewer": "Người rà soát",
        "decided": "Đã quyết định",
        "kept": "Giữ nguyên",
        "most": "Nhiều nhất trong một phút",
        "median": "Số giây giữa hai quyết định (trung vị)",
        "items": "Những gì đã rà soát",
        "who": "Ai",
        "what": "Được làm gì",
        "used": "Dùng lần cuối",
        "verdict": "Quyết định",
        "comment": "Ghi chú",
        "never": "chưa thấy dùng",
        "nobody": "không ai",
        "pair": "hai người rà soát lẫn nhau",
        "shortened": "Rút ngắn",
        "revoked": "Thu hồi",
        "lapsed": "Hết hiệu lực: không được rà soát đúng hạn",
        "void": "Đã tự kết thúc",
        "escalated": "Chờ quyết định",
        "open": "Chưa quyết định",
        "disabled": "đã bị vô hiệu hóa",
        "no_owner": "người phụ trách đã nghỉ",
        "gone": "không rõ",
        "meanwhile": "Được cấp trong thời gian đó, chưa rà soát",
        "signed": "Bằng chứng đã ký",
        "verify": "Kiểm tra bằng: secvault reviews verify FILE.json --key KEY",
    },
}


def review_page(document: Mapping[str, JsonValue], note: str, language: str) -> str:
    """The whole HTML page, self-contained: no script, nothing loaded. language: `en` or `vi`."""
    environment = Environment(
        loader=PackageLoader("secvault.service.reviews"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["moment"] = lambda text: f"{text[:10]} {text[11:19]} UTC"
    page = environment.get_template("review.html")
    return page.render(review=document, note=note, words=WORDS[language], language=language)
