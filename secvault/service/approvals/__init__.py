"""A second person's approval: asked for, given or refused, used up with the deed.

Promises: what needs an approval is done only with as many as the policy asks for, each by another
person who still may give one, for exactly what is done; never by whoever asks, does it or is
affected; and each set of approvals is good for one deed. Needs the policy, the file of obligations
and the clock. Start reading at `by_policy.ByPolicy.grant`; what people do is in `operations`.
"""

from secvault.service.approvals.approvers import Approvers
from secvault.service.approvals.by_policy import ByPolicy

__all__ = ["Approvers", "ByPolicy"]
