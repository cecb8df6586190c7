"""Recipes: one YAML file a source says where its images and labels lie and what they mean."""
