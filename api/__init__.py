"""Benchmark quantized models across inference runtimes, with numbers that can be believed."""
