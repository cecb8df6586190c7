"""What a model is shown: masks of a catalog, images and boxes prepared for it, augmented and sampled."""
