"""Engines that run a model: OpenVINO, ONNX Runtime and torch behind one protocol."""
