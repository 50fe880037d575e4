"""One request from the token to the answer, without I/O: both clients drive the same."""

from __future__ import annotations

from secvault.client.call import Answer, Request
from secvault.client.errors import refusal
from secvault.client.retry import Attempts, Talk
from secvault.client.token import Credential

_RESULTS = b'"batch_results"'


def converse(request: Request, credential: Credential, attempts: Attempts) -> Talk[Answer]:
    """The answer of a success. Raises Refusal, Unreachable, and what the credential raises.

    A 403 is tried once more when the credential has another token by then.
    """
    token = yield from credential.token(attempts)
    answer = yield from attempts.sent(request, token)
    if answer.status == 403 and (yield from credential.refused(token, attempts)):
        token = yield from credential.token(attempts)
        answer = yield from attempts.sent(request, token)
    if answer.status < 300 or (request.in_batch and _RESULTS in answer.body):
        return answer
    raise refusal(answer)
