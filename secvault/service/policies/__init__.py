"""The policy as it is published in the store: what is in force, what was, and how it is changed.

Promises: every process decides by the newest published policy, by all of it or by none; what was
published is kept for ever; a change shows who gains and loses what before it is made, and takes
the people that the present policy asks for. Needs the store; the policies folder is only what the
first publication and later plans are read from. Start at `operations`.
"""

from secvault.service.policies.published import Published, parse_bundle

__all__ = ["Published", "parse_bundle"]
