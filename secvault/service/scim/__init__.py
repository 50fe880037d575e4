"""People and groups that identity providers bring by SCIM 2.0 (RFC 7643, RFC 7644).

Promises: a provider sees and changes the people that it brought and nobody else; who leaves is
disabled at once and never deleted; what its groups give stands in the settings, is marked as its
own and ends with its word; passwords are refused. The protocol (forms, filters, PATCH, ETags) is
the library `scim2-server`; what it reads and writes is here, within one transaction of the spine.
Start reading at `secvault.service.scim.provisioning.serve`.
"""
