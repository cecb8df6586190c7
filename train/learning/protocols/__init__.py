"""Training protocols, data and no code: one YAML file each."""
