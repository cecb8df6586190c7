"""Recipes: one YAML file per source describes where its images and labels are and what the labels mean."""
