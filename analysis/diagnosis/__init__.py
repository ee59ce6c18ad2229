"""Where the error of a quantized model comes from, tensor by tensor."""
