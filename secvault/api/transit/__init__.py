"""The encryption API on the paths and in the shapes of the transit engine of Vault and OpenBao."""
