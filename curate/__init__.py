"""Raw scans become 8-bit slices and binary masks: one recipe a source, one corpus of all."""
