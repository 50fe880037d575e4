"""Records of the back office: typed fields, masks, and their sealed storage."""
