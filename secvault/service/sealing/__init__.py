"""Where the root lives when several processes serve: the sealer, and those who ask it.

Promises: the root is in the memory of the sealer and of the processes that it has given it to, and
nowhere else; after "seal" was answered none of them holds it; who loses the sealer seals itself.
Start reading at `secvault.service.sealing.sealer`.
"""
