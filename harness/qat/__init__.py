"""`crossrt qat`: runs the training process, follows it, and proves that its two files are one network."""
