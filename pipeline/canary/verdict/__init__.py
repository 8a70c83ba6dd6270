"""From counts to a verdict: selectors, measures, the tally of each variant, and the rule."""
