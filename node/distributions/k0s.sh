# k0s: it is recognized, but not supported.
DISTRIBUTIONS="$DISTRIBUTIONS k0s"
detect_k0s() { any_runs k0scontroller.service k0sworker.service; }
k0s_is_supported() { return 1; }
