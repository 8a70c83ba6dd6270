"""What all parts share, named after k8s.io/apimachinery: kinds, errors, quantities, selectors, conditions."""
