"""DSC and NSD of models on a corpus: measured, averaged, ranked, printed and drawn."""
