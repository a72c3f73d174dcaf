// A stand-in for RKE2: the real containerd and the real kubelet are children of this process, as they are of `rke2`. [read]
package main

import "lab.kata-containers/stand-ins/supervisor"

func main() {
	supervisor.Distribution{Name: "rke2", Port: "9345", Kubelet: supervisor.KubeletChild}.Run()
}
