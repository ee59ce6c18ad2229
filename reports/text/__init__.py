"""Small pieces of text: cells, names, patterns, Markdown, XML, what is safe to print."""
