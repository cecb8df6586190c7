"""The models of the papers: a table of numbers (`presets`) and the few modules that it is built from."""
