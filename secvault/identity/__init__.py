"""Who is it: people, their passwords and second factors, sessions, and the tokens of systems.

Promises: nobody is taken for somebody else, and nobody gets in with less than two factors: a
password and a code that was never used before, or a passkey that verified its user; every guess is
counted on disk before it is checked; a wrong answer never says which part was wrong; what is stored
is of no use to whoever steals it. Ended, revoked, disabled and expired credentials are refused from
the next request on, in every process.

Needs an open store, a clock, and the three keys of `IdentityKeys`. It decides nothing about rights
and writes no audit entries: the reasons for the log travel in `SignInRefused` and `SignInDelayed`,
and whoever must write in the same transaction passes a function in.

Start reading at `sign_in.sign_in`; then `sessions` (svs_... tokens of people), `tokens` (svt_...
tokens of service accounts), `enrolment` and `devices` (TOTP), `passkey_sign_in` and `passkeys`,
`recovery_codes`, `step_up`, `people`.
"""

from secvault.crypto.argon2id import Argon2Cost
from secvault.identity.keys import IdentityKeys
from secvault.identity.passwords import PasswordHasher
from secvault.identity.principal import Principal
from secvault.identity.refusal import Reason, SignInDelayed, SignInRefused
from secvault.identity.sessions import SessionLimits
from secvault.identity.throttle import AttemptLimits

__all__ = [
    "Argon2Cost",
    "AttemptLimits",
    "IdentityKeys",
    "PasswordHasher",
    "Principal",
    "Reason",
    "SessionLimits",
    "SignInDelayed",
    "SignInRefused",
]
