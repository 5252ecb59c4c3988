"""One lift over all categories: pooled, stratified, adjusted; guardrails; several arms."""
