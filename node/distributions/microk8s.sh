# MicroK8s: it is recognized, but not supported.
DISTRIBUTIONS="$DISTRIBUTIONS microk8s"
detect_microk8s() { any_runs 'snap.microk8s.*.service'; }
microk8s_is_supported() { return 1; }
