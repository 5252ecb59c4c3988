"""Reports of the suites: one HTML file that opens from disk, and the same in Markdown."""
