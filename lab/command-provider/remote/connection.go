package remote

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	provider "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

const (
	defaultUser           = "root"
	defaultPort           = 22
	defaultDialErrorLimit = 10
	defaultPerDialTimeout = 15

	firstPause = 100 * time.Millisecond
	pauseGrows = 1.5
	maxPause   = 5 * time.Second
)

// Endpoint is an SSH server with its credentials.
type Endpoint struct {
	Host               *string  `pulumi:"host"`
	User               *string  `pulumi:"user,optional"`
	Port               *float64 `pulumi:"port,optional"`
	Password           *string  `pulumi:"password,optional" provider:"secret"`
	PrivateKey         *string  `pulumi:"privateKey,optional" provider:"secret"`
	PrivateKeyPassword *string  `pulumi:"privateKeyPassword,optional" provider:"secret"`
	AgentSocketPath    *string  `pulumi:"agentSocketPath,optional"`
	DialErrorLimit     *int     `pulumi:"dialErrorLimit,optional"`
	PerDialTimeout     *int     `pulumi:"perDialTimeout,optional"`
	HostKey            *string  `pulumi:"hostKey,optional"`
}

func (e *Endpoint) Annotate(a infer.Annotator) {
	a.Describe(&e.Host, "The host to connect to.")
	a.Describe(&e.User, "The user to log in as.")
	a.SetDefault(&e.User, defaultUser)
	a.Describe(&e.Port, "The port to connect to.")
	a.SetDefault(&e.Port, defaultPort)
	a.Describe(&e.Password, "The password to log in with.")
	a.Describe(&e.PrivateKey, "The private key to log in with; it is tried before the password.")
	a.Describe(&e.PrivateKeyPassword, "The password of the private key.")
	a.Describe(&e.AgentSocketPath, "The socket of an SSH agent; SSH_AUTH_SOCK where it is not given.")
	a.Describe(&e.DialErrorLimit, "How many failures to connect are followed by another try; -1 for no limit.")
	a.SetDefault(&e.DialErrorLimit, defaultDialErrorLimit)
	a.Describe(&e.PerDialTimeout, "Seconds that one try may take to connect; 0 for no limit.")
	a.SetDefault(&e.PerDialTimeout, defaultPerDialTimeout)
	a.Describe(&e.HostKey, "The host's public key; any key is taken where it is not given.")
}

// Connection is the host of a command, reached directly or through one proxy.
type Connection struct {
	Endpoint
	Proxy *ProxyConnection `pulumi:"proxy,optional"`
}

func (c *Connection) Annotate(a infer.Annotator) {
	a.Describe(c, "How to reach a host over SSH.")
	a.Describe(&c.Proxy, "A host to go through.")
}

// ProxyConnection is a proxy.
type ProxyConnection struct {
	Endpoint
}

func (p *ProxyConnection) Annotate(a infer.Annotator) {
	a.Describe(p, "How to reach a host, over SSH, that leads to another.")
}

func (e Endpoint) address() string {
	return net.JoinHostPort(*e.Host, strconv.Itoa(int(*e.Port)))
}

// clientConfig collects the credentials. The library tries one method of each name, so with a private key the agent's keys
// are never tried. An agent that does not answer is an error even then.
func (e Endpoint) clientConfig() (*ssh.ClientConfig, error) {
	config := &ssh.ClientConfig{
		User:            *e.User,
		HostKeyCallback: ssh.InsecureIgnoreHostKey(),
		Timeout:         time.Duration(*e.PerDialTimeout) * time.Second,
	}
	if e.HostKey != nil {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(*e.HostKey))
		if err != nil {
			return nil, fmt.Errorf("failed to parse host key: %w", err)
		}
		config.HostKeyCallback = ssh.FixedHostKey(key)
		config.HostKeyAlgorithms = []string{key.Type()}
	}
	if e.PrivateKey != nil {
		signer, err := e.signer()
		if err != nil {
			return nil, err
		}
		config.Auth = append(config.Auth, ssh.PublicKeys(signer))
	}
	if e.Password != nil {
		config.Auth = append(config.Auth, ssh.Password(*e.Password), ssh.KeyboardInteractive(
			func(_, _ string, questions []string, _ []bool) ([]string, error) {
				answers := make([]string, len(questions))
				for i := range answers {
					answers[i] = *e.Password
				}
				return answers, nil
			}))
	}
	socket := e.AgentSocketPath
	if environment := os.Getenv("SSH_AUTH_SOCK"); socket == nil && environment != "" {
		socket = &environment
	}
	if socket != nil {
		conn, err := net.Dial("unix", *socket)
		if err != nil {
			return nil, err
		}
		config.Auth = append(config.Auth, ssh.PublicKeysCallback(agent.NewClient(conn).Signers))
	}
	return config, nil
}

func (e Endpoint) signer() (ssh.Signer, error) {
	if e.PrivateKeyPassword != nil {
		return ssh.ParsePrivateKeyWithPassphrase([]byte(*e.PrivateKey), []byte(*e.PrivateKeyPassword))
	}
	return ssh.ParsePrivateKey([]byte(*e.PrivateKey))
}

// dial connects and logs in. Like the original, it retries every failure, even one that is permanent, such as a wrong key.
func (c *Connection) dial(ctx context.Context) (*ssh.Client, error) {
	config, err := c.clientConfig()
	if err != nil {
		return nil, err
	}
	if c.Proxy == nil {
		return retry(ctx, "Dial", c.Endpoint, func() (*ssh.Client, error) { return ssh.Dial("tcp", c.address(), config) })
	}
	client, err := c.dialThroughProxy(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	return client, nil
}

func (c *Connection) dialThroughProxy(ctx context.Context, config *ssh.ClientConfig) (*ssh.Client, error) {
	proxyConfig, err := c.Proxy.clientConfig()
	if err != nil {
		return nil, err
	}
	proxy, err := retry(ctx, "Dial proxy", c.Proxy.Endpoint, func() (*ssh.Client, error) {
		return ssh.Dial("tcp", c.Proxy.address(), proxyConfig)
	})
	if err != nil {
		return nil, err
	}
	tunnel, err := retry(ctx, "Dial from proxy", c.Endpoint, func() (net.Conn, error) { return proxy.Dial("tcp", c.address()) })
	if err != nil {
		return nil, err
	}
	// A failed login closes the tunnel, so all retries fail too. The original makes them anyway.
	return retry(ctx, "Dial", c.Endpoint, func() (*ssh.Client, error) {
		conn, channels, requests, err := ssh.NewClientConn(tunnel, c.address(), config)
		if err != nil {
			return nil, err
		}
		return ssh.NewClient(conn, channels, requests), nil
	})
}

// retry calls dial until it succeeds, has failed once more than the endpoint's limit, or the context ends.
func retry[T any](ctx context.Context, what string, e Endpoint, dial func() (T, error)) (T, error) {
	limit, pause := *e.DialErrorLimit, firstPause
	for failures := 0; ; failures++ {
		result, err := dial()
		if err == nil {
			return result, nil
		}
		of := "inf"
		if limit >= 0 {
			of = strconv.Itoa(limit)
			if failures == limit {
				return result, fmt.Errorf("after %d failed attempts: %w", failures, err)
			}
		}
		provider.GetLogger(ctx).InfoStatusf("%s %d/%s failed: retrying", what, failures+1, of)
		select {
		case <-ctx.Done():
			return result, ctx.Err()
		case <-time.After(pause):
			pause = min(time.Duration(float64(pause)*pauseGrows), maxPause)
		}
	}
}
