"""What gives two files the same scales: calibrating once, and moving scales to where all runtimes round alike."""
