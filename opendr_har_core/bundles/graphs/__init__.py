"""Networks as ONNX graphs, written operator by operator."""
