"""May they, and why: roles, rules and grants, compiled and explained, with Casbin as the reference.

Promises: nothing is allowed without a rule that says so; a deny always wins; a grant counts from
its start until its end, to the microsecond, and a revoked one not at all; every answer names the
rule and the way to it, and every no says what is missing. Needs the policy files (`policies/`),
the class of every field, a store and a clock. Start reading at `secvault.access.decide.decide`;
`Policy` is what a running service holds.
"""

from secvault.access.conditions import About, AccessContext, Asker
from secvault.access.decide import (
    Access,
    AccessRequest,
    Decision,
    FieldAccess,
    decide,
    decide_fields,
    field_access,
)
from secvault.access.explain import NearMiss
from secvault.access.grants import (
    Grant,
    add_grant,
    check_grantable,
    extend_grant,
    list_grants,
    revoke_grant,
)
from secvault.access.narrowing import Narrowing
from secvault.access.policy import Policy
from secvault.access.rules import Rules, load_rules
from secvault.access.snapshot import Snapshot, build_snapshot
from secvault.access.vocabulary import (
    ALL,
    COLLECTIONS,
    DEPARTMENTS,
    NO_FIELD,
    SIGNED_IN,
    FieldClasses,
)

__all__ = [
    "ALL",
    "COLLECTIONS",
    "DEPARTMENTS",
    "NO_FIELD",
    "SIGNED_IN",
    "About",
    "Access",
    "AccessContext",
    "AccessRequest",
    "Asker",
    "Decision",
    "FieldAccess",
    "FieldClasses",
    "Grant",
    "Narrowing",
    "NearMiss",
    "Policy",
    "Rules",
    "Snapshot",
    "add_grant",
    "build_snapshot",
    "check_grantable",
    "decide",
    "decide_fields",
    "extend_grant",
    "field_access",
    "list_grants",
    "load_rules",
    "revoke_grant",
]
