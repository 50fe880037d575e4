"""People, their second factors and sessions; service accounts and their tokens."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table, UniqueConstraint, false, text

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, Boolean, Integer, LargeBinary, Text

person = Table(
    "person",
    metadata,
    Column("id", Text, primary_key=True),
    # The sign-in name, NFKC and case-folded.
    Column("name", Text, nullable=False, unique=True),
    Column("display_name", Text, nullable=False),
    Column("department", Text, nullable=False),
    Column("state", Text, nullable=False),
    # Empty until an invited person has chosen one: it fits no password.
    Column("password_hash", Text, nullable=False),
    Column("password_changed_at", BigInteger, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("next_try_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_sign_in_at", BigInteger),
    # When the invitation was used; null before that.
    Column("activated_at", BigInteger),
    # Grows with every change that administrators make.
    Column("version", Integer, nullable=False, server_default=text("1")),
    # What administrators note; empty when there is nothing.
    Column("notes", Text, nullable=False, server_default=text("''")),
    # Both names without case and marks, to be searched in.
    Column("searched", Text, nullable=False, server_default=text("''")),
    # Their number in the company and their teams, one a line, in the form that is compared.
    Column("employee", Text),
    Column("teams", Text, nullable=False, server_default=text("''")),
    # Whose is this number?
    Index(None, "employee", unique=True),
)

invitation = Table(
    "invitation",
    metadata,
    Column("key_id", Text, primary_key=True),
    # Null for the first administrator, who says their own name. One for each person.
    Column("person", Text, ForeignKey("person.id"), unique=True),
    Column("first", Boolean, nullable=False),
    Column("secret_digest", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    # The subject of whoever invited.
    Column("created_by", Text, nullable=False),
    # What the invited person has chosen; it becomes the person's with the first device.
    Column("password_hash", Text),
)

totp_device = Table(
    "totp_device",
    metadata,
    Column("id", Text, primary_key=True),
    Column("person", Text, ForeignKey("person.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("sealed_seed", LargeBinary, nullable=False),
    Column("algorithm", Text, nullable=False),
    Column("digits", Integer, nullable=False),
    Column("period", Integer, nullable=False),
    Column("state", Text, nullable=False),
    # The newest accepted time step: a code works once because this only grows.
    Column("last_step", BigInteger, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("next_try_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger),
    # Whole steps that the device's clock is ahead, found by a resync; may be negative.
    Column("shift", Integer, nullable=False, server_default=text("0")),
    # What was learned since, in thousandths of a step.
    Column("drift", Integer, nullable=False, server_default=text("0")),
    # Resyncs tried on the day (days since the epoch) named beside it.
    Column("resyncs", Integer, nullable=False, server_default=text("0")),
    Column("resync_day", BigInteger, nullable=False, server_default=text("0")),
    # Until when a pending device can be confirmed.
    Column("confirm_by", BigInteger, nullable=False, server_default=text("0")),
    # Which devices has this person?
    Index(None, "person"),
    UniqueConstraint("person", "name"),
)

hardware_token = Table(
    "hardware_token",
    metadata,
    Column("id", Text, primary_key=True),
    Column("serial", Text, nullable=False, unique=True),
    # Null once a device works with the seed: it is kept in one place only.
    Column("sealed_seed", LargeBinary),
    Column("algorithm", Text, nullable=False),
    Column("digits", Integer, nullable=False),
    Column("period", Integer, nullable=False),
    Column("imported_at", BigInteger, nullable=False),
    # The TOTP device that it was assigned as, whose row may be gone.
    Column("device", Text),
)

sign_in_place = Table(
    "sign_in_place",
    metadata,
    Column("person", Text, ForeignKey("person.id"), primary_key=True),
    # A network from which the person has signed in; failures there are counted by themselves.
    Column("network", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("next_try_at", BigInteger, nullable=False),
    Column("last_sign_in_at", BigInteger, nullable=False),
)

stranger = Table(
    "stranger",
    metadata,
    # Of a sign-in name that nobody has, under the token pepper.
    Column("digest", LargeBinary, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("next_try_at", BigInteger, nullable=False),
    Column("counted_at", BigInteger, nullable=False),
    # Which rows can be forgotten?
    Index(None, "counted_at"),
)

sign_in_network = Table(
    "sign_in_network",
    metadata,
    Column("network", Text, primary_key=True),
    # Failures not yet forgotten, in microseconds of forgetting.
    Column("level", BigInteger, nullable=False),
    Column("counted_at", BigInteger, nullable=False),
    # Which rows can be forgotten?
    Index(None, "counted_at"),
)

session = Table(
    "session",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("person", Text, ForeignKey("person.id"), nullable=False),
    Column("secret_digest", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_seen_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    # When the second factor was last shown; step-up rules read it. 0 when none was.
    Column("second_factor_at", BigInteger, nullable=False),
    # What was shown to open it, with spaces between: password totp, passkey, password recovery.
    Column("factors", Text, nullable=False, server_default=text("'password totp'")),
    Column("ended_at", BigInteger),
    # What its token travels in, `header` or `cookie`; it is refused in anything else.
    Column("carrier", Text, nullable=False, server_default=text("'header'")),
    # The network that it was opened from; null where that is not known.
    Column("network", Text),
    # Which sessions end when this person is disabled?
    Index(None, "person"),
)

passkey = Table(
    "passkey",
    metadata,
    Column("id", Text, primary_key=True),
    Column("person", Text, ForeignKey("person.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("credential_id", LargeBinary, nullable=False, unique=True),
    # COSE_Key (RFC 9052), as the authenticator gave it.
    Column("public_key", LargeBinary, nullable=False),
    # Only grows, or stays 0 for authenticators that do not count.
    Column("sign_count", BigInteger, nullable=False),
    # Words for the browser, with spaces between.
    Column("transports", Text, nullable=False),
    # Whether it may be, and is, copied by its maker (WebAuthn 3, 6.1.3).
    Column("backup_eligible", Boolean, nullable=False),
    Column("backed_up", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger),
    UniqueConstraint("person", "name"),
)

passkey_challenge = Table(
    "passkey_challenge",
    metadata,
    # SHA-256 of the challenge.
    Column("digest", LargeBinary, primary_key=True),
    Column("purpose", Text, nullable=False),
    # Null when whoever answers it says who they are.
    Column("person", Text, ForeignKey("person.id")),
    # The session that it was asked for in, where there is one.
    Column("session", Text),
    # What the new passkey is to be called.
    Column("name", Text),
    # A password that was changed since then was not the one that was shown.
    Column("password_changed_at", BigInteger),
    Column("expires_at", BigInteger, nullable=False),
    # Which challenges are over?
    Index(None, "expires_at"),
)

recovery_set = Table(
    "recovery_set",
    metadata,
    Column("person", Text, ForeignKey("person.id"), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("next_try_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

recovery_code = Table(
    "recovery_code",
    metadata,
    Column("person", Text, ForeignKey("recovery_set.person"), primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
    # Used once: from null to a moment, never back.
    Column("used_at", BigInteger),
)

service_account = Table(
    "service_account",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("department", Text, nullable=False),
    # The person who answers for it.
    Column("owner", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

token = Table(
    "token",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("account", Text, ForeignKey("service_account.id"), nullable=False),
    Column("display_name", Text, nullable=False),
    Column("secret_digest", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger),
    # A /24 of IPv4 or a /64 of IPv6; written with the moment.
    Column("last_used_network", Text),
    Column("revoked_at", BigInteger),
    # The token that made this one, which it does not outlive.
    Column("parent", Text, ForeignKey("token.key_id")),
    # How long a renewal is for unless it says otherwise.
    Column("ttl_seconds", BigInteger, nullable=False, server_default=text("0")),
    # A periodic token can be renewed for ever, this long each time; 0 for others.
    Column("period_seconds", BigInteger, nullable=False, server_default=text("0")),
    Column("renewable", Boolean, nullable=False, server_default=false()),
    # No renewal goes beyond this moment.
    Column("latest_end", BigInteger),
    Column("renewed_at", BigInteger),
    # Null for as many uses as wanted.
    Column("uses_left", BigInteger),
    # What its maker noted, JSON of texts.
    Column("meta", Text, nullable=False, server_default=text("'{}'")),
    # Layers of roles, JSON; null for all that its account has.
    Column("narrowing", Text),
    # The networks that it may be used from, JSON; null for all.
    Column("bound_cidrs", Text),
    # The AppRole that it, or the token that it comes from, was made by; its row may be gone.
    Column("approle", Text),
    Column("secret_accessor", Text),
    # The two of a rotation name each other; the older one ends when the overlap is over.
    Column("replaces", Text),
    Column("replaced_by", Text),
    # The smallest number of days before its end that was warned of.
    Column("warned_days", Integer),
    # Which tokens has this account?
    Index(None, "account"),
    # Which tokens end with this AppRole?
    Index(None, "approle"),
    # Which tokens end with this one?
    Index(None, "parent"),
    # Which tokens end soon?
    Index(None, "expires_at"),
)
