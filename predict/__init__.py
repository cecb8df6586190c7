"""Boxes in, masks out: a folder of cases through a promptable segmenter, on a CPU."""
