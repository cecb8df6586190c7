"""The encoders of image and array files; each format has one writer."""
