"""The `.onnx` bundle format: metadata, graphs, export and weight quantization."""
