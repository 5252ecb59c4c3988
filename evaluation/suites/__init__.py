"""The offline suites: contract tables in, result tables out."""
