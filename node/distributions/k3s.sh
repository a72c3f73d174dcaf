# k3s: it is recognized, but not supported.
DISTRIBUTIONS="$DISTRIBUTIONS k3s"
detect_k3s() { any_runs 'k3s*.service'; }
