package remote

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	provider "github.com/pulumi/pulumi-go-provider"
	"golang.org/x/crypto/ssh"
)

// run runs one command on the host and stores its output in the state. It does nothing if there is no command.
//
// A running command cannot be stopped: the context only ends the attempts to connect.
func (s *CommandState) run(ctx context.Context, text *string) error {
	if text == nil {
		return nil
	}
	// Like the original, keep the connection open until the plugin ends, so that the node has as many connections.
	client, err := s.Connection.dial(ctx)
	if err != nil {
		return err
	}
	session, err := client.NewSession()
	if err != nil {
		return err
	}
	defer session.Close()

	if err := s.setEnvironment(ctx, session); err != nil {
		return err
	}
	if s.Stdin != nil {
		session.Stdin = strings.NewReader(*s.Stdin)
	}

	var stdout, stderr bytes.Buffer
	var both lockedBuffer
	log := newLineLog(ctx)
	session.Stdout = io.MultiWriter(&stdout, &both)
	session.Stderr = io.MultiWriter(&stderr, &both)
	if s.logs(logStdout) {
		session.Stdout = io.MultiWriter(&stdout, &both, log)
	}
	if s.logs(logStderr) {
		session.Stderr = io.MultiWriter(&stderr, &both, log)
	}
	err = session.Run(*text)
	log.close()
	if err != nil {
		return fmt.Errorf("%w: running %q:\n%s", err, *text, both.String())
	}
	s.Stdout = strings.TrimSuffix(stdout.String(), "\n")
	s.Stderr = strings.TrimSuffix(stderr.String(), "\n")
	return nil
}

// refused is the text of the original, line by line.
const refused = `Unable to set '%s'. This only works if your SSH server is configured to accept
	these variables via AcceptEnv. Alternatively, if a Bash-like shell runs the command on the remote host, you could
	prefix the command itself with the variables in the form 'VAR=value command'`

// setEnvironment sends variables to the server. A refused one is an error, except those of the previous output.
func (s *CommandState) setEnvironment(ctx context.Context, session *ssh.Session) error {
	for name, value := range s.Environment {
		if err := session.Setenv(name, value); err != nil {
			provider.GetLogger(ctx).Errorf(refused, name)
			return fmt.Errorf("could not set environment variable %q: %w", name, err)
		}
	}
	if s.AddPreviousOutputInEnv != nil && !*s.AddPreviousOutputInEnv {
		return nil
	}
	for _, last := range []struct{ name, value string }{
		{"PULUMI_COMMAND_STDOUT", s.Stdout},
		{"PULUMI_COMMAND_STDERR", s.Stderr},
	} {
		if last.value == "" {
			continue
		}
		if err := session.Setenv(last.name, last.value); err != nil {
			provider.GetLogger(ctx).Warningf(refused, last.name)
		}
	}
	return nil
}

func (s *CommandState) logs(stream Logging) bool {
	return s.Logging == nil || *s.Logging == logBoth || *s.Logging == stream
}

// lockedBuffer collects both streams, which two goroutines write.
type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

// lineLog shows the lines written to it as temporary status messages.
//
// Like the original, it stops reading at a line of 64 KiB, the scanner's limit, and then the writer blocks forever. The node
// program must never print such a line.
type lineLog struct {
	*io.PipeWriter
	done chan struct{}
}

func newLineLog(ctx context.Context) lineLog {
	reader, writer := io.Pipe()
	log := lineLog{writer, make(chan struct{})}
	go func() {
		defer close(log.done)
		lines := bufio.NewScanner(reader)
		for lines.Scan() {
			provider.GetLogger(ctx).InfoStatus(lines.Text())
		}
	}()
	return log
}

func (l lineLog) close() {
	l.PipeWriter.Close()
	<-l.done
}
