"""What is wrong in a quantized file, read from the file itself, whoever made it; how it should be is in `audit`."""
