// The CRDs of the Gateway API from its published module. localcluster/storage/gateway.json is made from the same version.
module canary-lab/gateway

go 1.26.0

require sigs.k8s.io/gateway-api v1.6.3
