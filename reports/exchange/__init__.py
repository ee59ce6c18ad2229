"""Reports as files that other tools read: one module per format, all of them named in `registry`."""
