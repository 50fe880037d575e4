"""Where secvault means to answer otherwise than OpenBao: the case's name, and why.

`docs/reference/transit.md` tells the same to users. A case that no longer differs must go.
"""

from __future__ import annotations

WORDS = "the same status in other words: ours name the parameter and what to do"
REWRAP = "rewrap takes associated_data here; OpenBao cannot rewrap what was bound to it"
CHACHA = "a ChaCha20-Poly1305 ciphertext that does not open is refused in the words of AES-GCM"
RESTORE_INFO = "that a key came from a backup is in the audit log, not in the key"
ORDER = "parameters are checked before the key is looked for"

ONLY_WORDS = (WORDS, CHACHA, ORDER)

DIFFERENCES: dict[str, str] = {
    "a new key: rotation in words": WORDS,
    "aes128-gcm96: bound rewrapped": REWRAP,
    "aes128-gcm96: derived and bound rewrapped": REWRAP,
    "aes256-gcm96: bound rewrapped": REWRAP,
    "aes256-gcm96: derived and bound rewrapped": REWRAP,
    "chacha20-poly1305: bound opened with other associated data": CHACHA,
    "chacha20-poly1305: bound rewrapped": REWRAP,
    "chacha20-poly1305: convergent opened with other associated data": CHACHA,
    "chacha20-poly1305: derived and bound opened with other associated data": CHACHA,
    "chacha20-poly1305: derived and bound rewrapped": REWRAP,
    "chacha20-poly1305: derived opened with another context": CHACHA,
    "chacha20-poly1305: derived opened with other associated data": CHACHA,
    "chacha20-poly1305: plain opened with other associated data": CHACHA,
    "chacha20-poly1305: with an unused context opened with other associated data": CHACHA,
    "ed25519: derived without context": WORDS,
    "encrypt a batch: no list": WORDS,
    "import over a key": WORDS,
    "import: a public half for a cipher": WORDS,
    "import: a public half of another kind": WORDS,
    "import: an unknown kind": WORDS,
    "import: no PEM": WORDS,
    "import: nothing": WORDS,
    "missing: GET nowhere/keys/{k}": WORDS,
    "missing: GET transit/nothing/{k}": WORDS,
    "missing: LIST transit/nothing": WORDS,
    "missing: POST transit/keys/{k}/trim": ORDER,
    "random {'bytes': 'x'}": WORDS,
    "random/many {}": WORDS,
    "restore: no base64": WORDS,
    "restore: under another name": RESTORE_INFO,
    "rsa-2048: bound": WORDS,
    "rsa-2048: decrypted": WORDS,
    "rsa-2048: prehashed but no hash": WORDS,
    "rsa-2048: salt too long": WORDS,
}
