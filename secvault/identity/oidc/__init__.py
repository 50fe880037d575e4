"""OpenID Connect Core 1.0, as the party that relies on a provider; RFC 6749, 7636, 9207.

Promises: nothing is believed but what the configured provider signed for this service, for this
sign-in and now; nothing is sent but to the provider's own hosts; what a provider sends is bounded
in size and time; no code, token or secret is stored or shown. Needs the settings of a provider.
Start reading at `secvault.identity.oidc.provider`; who the person is, is for
`secvault.identity.federation`.
"""
