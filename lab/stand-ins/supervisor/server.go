package supervisor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"log"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// waitForServer: an agent validates its token at a server before it starts containerd and the kubelet, in a loop of 2 s. [read]
// Its load balancer keeps the addresses of all servers in a file, and uses them at its next start; it can be disabled. [infer]
func (n *Node) waitForServer() {
	insecure := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	for {
		answer, err := insecure.Get(strings.TrimSuffix(n.Server, "/") + "/cacerts")
		if err == nil {
			answer.Body.Close()
			break
		}
		log.Printf("level=error msg=\"failed to get CA certs: %v\"", err)
		time.Sleep(2 * time.Second)
	}
	if n.NoLoadBalancer {
		return
	}
	server, err := url.Parse(n.Server)
	if err != nil {
		log.Fatal(err)
	}
	content, _ := json.MarshalIndent(map[string]any{"ServerURL": n.Server, "ServerAddresses": []string{server.Host}}, "", "  ")
	if err := write(n.path("etc/"+n.Name+"-agent-load-balancer.json"), string(content)); err != nil {
		log.Fatal(err)
	}
}

// serve: a server answers its agents under a certificate that they check otherwise. Kubernetes' own control plane runs elsewhere
// in the lab.
func (n *Node) serve() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().AddDate(1, 0, 0)}
	certificate, err := x509.CreateCertificate(rand.Reader, about, about, &key.PublicKey, key)
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/cacerts", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("stand-in\n")) })
	server := &http.Server{Addr: ":" + n.Port, TLSConfig: &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{certificate}, PrivateKey: key}},
	}}
	go func() { log.Fatal(server.ListenAndServeTLS("", "")) }()
}
