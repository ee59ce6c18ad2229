"""Why a quantized file answers and runs as it does: audit, diagnosis, explanation, corruption of inputs.

Looks into files and tensors; the processes that run these modules are started elsewhere.
"""
