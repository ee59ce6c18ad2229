"""Training of the bundled architectures from scratch, in a process of its own; not what is trained for int8 (`qat`)."""
