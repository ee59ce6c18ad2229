"""One module a family of checks; `crossrt.analysis.findings.protocol` says how one is written, and finds them all."""
