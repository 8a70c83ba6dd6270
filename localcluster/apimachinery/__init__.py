"""What all parts share, as in k8s.io/apimachinery: kinds, errors, quantities, selectors, conditions."""
