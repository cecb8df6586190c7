"""What runs a model: the graphs of OpenVINO, ONNX Runtime or torch behind one protocol."""
