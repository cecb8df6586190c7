"""The corpus as a table: names, schema, label map, reading, writing, statistics and pictures."""
