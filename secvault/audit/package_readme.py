"""What lies in an evidence package, said to whoever opens it, in English and in Vietnamese."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_ENGLISH = """\
What this is
------------
A part of an audit log, with the proof that it is unchanged and that nothing was left out of it.

How to check it
---------------
You need Python 3.9 or newer, and the public key of the log. Take the key from a place that does not
depend on whoever gave you this file; keys.txt only tells what it should be. So with the verifier:
verify.py is best the copy that you kept yourself.

    python3 verify.py PACK.zip --key 'NAME+ID+KEY' --earlier EARLIER.note

PACK.zip is this file as you got it, not unpacked. EARLIER.note, which you may leave out, is a
checkpoint that you were given before: it shows whether the log was rewritten since.

What lies in it
---------------
manifest.json  what was asked, by whom, when, how many entries; SHA-256 of each file
manifest.note  its signature, by the keys of the log and of evidence
checkpoint     the signed size and root of the log
{shown}range.proof    the hash of every entry of the period, and what leads from them to the root
keys.txt       public keys
report.*       the access report on the period, where it was asked for: it counts entries for
               people, and proves nothing by itself
others         the entries as tables

What it proves, and what it does not
------------------------------------
Every entry that was recorded in the period is here, in its place, by its hash: none can be left
out, added, changed or moved. The entries just before and after the period show where it ends.
An entry that does not answer the question is shown by its hash alone. That it does not is what the
vault has signed; challenge any: `secvault audit prove SEQ` shows the entry with that number, and
its hash, SHA-256 of a zero byte and the entry, must be the one in range.proof. Who asks for the
period without a filter sees all entries. Nothing can prove that everything was recorded.
"""

_VIETNAMESE = """\
Đây là gì
---------
Một phần của nhật ký kiểm toán, kèm bằng chứng rằng nó không bị sửa đổi và không bị bỏ sót.

Cách kiểm tra
-------------
Cần Python 3.9 trở lên và khóa công khai của nhật ký. Hãy lấy khóa từ một nguồn không phụ thuộc vào
người đưa tệp này; keys.txt chỉ cho biết khóa phải như thế nào. Với chương trình kiểm tra cũng vậy:
tốt nhất là dùng bản verify.py do chính bạn lưu giữ.

    python3 verify.py PACK.zip --key 'NAME+ID+KEY' --earlier EARLIER.note

PACK.zip là tệp này như bạn đã nhận, chưa giải nén. EARLIER.note (không bắt buộc) là một điểm kiểm
tra (checkpoint) bạn đã nhận trước đây: nó cho thấy nhật ký có bị viết lại từ đó hay không.

Trong gói có gì
---------------
manifest.json  câu hỏi, người hỏi, thời điểm, số mục nhật ký; SHA-256 của từng tệp
manifest.note  chữ ký của manifest, bằng khóa của nhật ký và khóa của bằng chứng
checkpoint     kích thước và gốc (root) của nhật ký, có chữ ký
{shown}range.proof    mã băm của mọi mục trong kỳ, và các mã băm dẫn tới gốc
keys.txt       các khóa công khai
report.*       báo cáo truy cập của kỳ, nếu có yêu cầu: báo cáo đếm các mục cho người đọc,
               tự nó không chứng minh điều gì
tệp khác       các mục nhật ký ở dạng bảng

Gói này chứng minh điều gì, và không chứng minh điều gì
-------------------------------------------------------
Mọi mục đã ghi trong kỳ đều có mã băm ở đây, đúng vị trí: không thể bỏ bớt, thêm, sửa hay đổi chỗ.
Các mục ngay trước và ngay sau kỳ cho thấy kỳ bắt đầu và kết thúc ở đâu.
Mục không thuộc câu hỏi chỉ có mã băm. Việc nó không thuộc câu hỏi là điều kho bảo mật đã ký; bạn có
quyền yêu cầu xem bất kỳ mục nào: `secvault audit prove SEQ` đưa ra mục mang số đó, và mã băm của nó
(SHA-256 của một byte 0 và nội dung mục) phải trùng với mã trong range.proof. Ai hỏi cả kỳ mà không
lọc thì thấy mọi mục. Không gì có thể chứng minh rằng mọi việc đều đã được ghi lại.
"""

_SHOWN: Mapping[str, str] = MappingProxyType(
    {
        "en": "events.jsonl   the entries that answer the question, to the byte, one a line\n"
        "bounds.jsonl   the entries just outside of the period\n",
        "vi": "events.jsonl   các mục thuộc câu hỏi, đúng từng byte, mỗi dòng một mục\n"
        "bounds.jsonl   các mục nằm ngay ngoài kỳ\n",
    }
)
_PSEUDONYMISED: Mapping[str, str] = MappingProxyType(
    {
        "en": """
This package is pseudonymised
-----------------------------
People are called by pseudonyms, which are the same within this package and mean nothing elsewhere.
So the bytes of the entries are not in it. What is left of the proof: how many entries the period
has and that their hashes are those of the log. That the tables say what the entries say, which
entries answer the question, and where the period begins and ends, is what the vault has signed.
`secvault audit prove SEQ` shows a single entry to whoever may see it.
""",
        "vi": """
Gói này đã được giả danh hóa
----------------------------
Người được gọi bằng bí danh, giống nhau trong gói này và không có nghĩa ở nơi khác. Vì vậy gói không
có nội dung gốc của các mục. Bằng chứng còn lại: kỳ có bao nhiêu mục và mã băm của chúng là của nhật
ký. Việc các bảng nói đúng nội dung các mục, mục nào thuộc câu hỏi, và kỳ bắt đầu, kết thúc ở đâu là
điều kho bảo mật đã ký. `secvault audit prove SEQ` cho người có quyền xem một mục cụ thể.
""",
    }
)


def readme(language: str, *, pseudonymised: bool) -> str:
    """The text in `en` or `vi`."""
    text = _VIETNAMESE if language == "vi" else _ENGLISH
    if pseudonymised:
        return text.format(shown="") + _PSEUDONYMISED[language]
    return text.format(shown=_SHOWN[language])
