"""Encoders from models of others: a Hugging Face model or an ONNX file to a folder that workers load.

`onnx_file` needs nothing that a worker has not; `model` needs PyTorch and transformers (the extra `export`).
"""
