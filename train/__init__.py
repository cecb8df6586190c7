"""Corpus to light segmenter: models, training, scores."""
