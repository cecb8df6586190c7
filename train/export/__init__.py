"""Graphs of a model that run without torch, checked against it before they are written."""
