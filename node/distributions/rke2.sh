# RKE2: it is recognized, but not supported.
DISTRIBUTIONS="$DISTRIBUTIONS rke2"
detect_rke2() { any_runs 'rke2-*.service'; }
