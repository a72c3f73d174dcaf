// The tests below run the plugin that COMMAND_PROVIDER names, by default a new build of the stand-in, and compare transcripts
// with those in testdata, which were recorded with the original, pulumi-resource-command 1.2.1:
//
//	COMMAND_PROVIDER=/path/to/pulumi-resource-command go test . -update
//
// They need root and sshd. They mostly wait, so use -parallel 8.
package main_test

import (
	"bufio"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"google.golang.org/protobuf/types/known/emptypb"
)

var update = flag.Bool("update", false, "write the transcripts in testdata instead of comparing with them")

func TestCommand(t *testing.T) {
	binary := os.Getenv("COMMAND_PROVIDER")
	if binary == "" {
		binary = filepath.Join(t.TempDir(), "pulumi-resource-command")
		output, err := exec.Command("./build.sh", binary).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
	}
	for name, scenario := range map[string]func(*testing.T, *provider, *server){
		"agent":       testAgent,
		"check":       testCheck,
		"connections": testConnections,
		"create":      testCreate,
		"delete":      testDelete,
		"dial":        testDial,
		"diff":        testDiff,
		"environment": testEnvironment,
		"hang":        testHang,
		"host key":    testHostKey,
		"key":         testKey,
		"lost":        testLost,
		"logging":     testLogging,
		"output":      testOutput,
		"password":    testPassword,
		"preview":     testPreview,
		"proxy":       testProxy,
		"read":        testRead,
		"schema":      testSchema,
		"secrets":     testSecrets,
		"stdin":       testStdin,
		"update":      testUpdate,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, "LC_* PULUMI_COMMAND_*")
			p := start(t, binary)
			p.name(fmt.Sprint(s.port), "port")
			p.name(strings.Trim(strconv.Quote(s.key), `"`), "private key")
			scenario(t, p, s)
			compare(t, p)
		})
	}
}

func compare(t *testing.T, p *provider) {
	file := filepath.Join("testdata", strings.ReplaceAll(filepath.Base(t.Name()), "_", "-")+".txt")
	got := p.transcript.String()
	if *update {
		check(t, os.MkdirAll("testdata", 0o755))
		check(t, os.WriteFile(file, []byte(got), 0o644))
		return
	}
	want, err := os.ReadFile(file)
	check(t, err)
	if got == string(want) {
		return
	}
	command := exec.Command("diff", "-u", "--label", file, "--label", "this plugin", file, "-")
	command.Stdin = strings.NewReader(got)
	difference, _ := command.Output()
	t.Errorf("%s", difference)
}

func testCheck(t *testing.T, p *provider, s *server) {
	host := object{"host": "node"}
	p.showCheck("defaults", object{"connection": host, "create": "true"})
	p.showCheck("everything", object{
		"connection": object{
			"host": "node", "user": "kata", "port": 2222, "password": "p", "privateKey": "k", "privateKeyPassword": "w",
			"agentSocketPath": "/agent", "dialErrorLimit": -1, "perDialTimeout": 0, "hostKey": "h",
			"proxy": object{"host": "bastion", "password": "q"},
		},
		"create": "c", "update": "u", "delete": "d", "stdin": "s", "environment": object{"A": "1"}, "logging": "none",
		"addPreviousOutputInEnv": false, "triggers": []any{"a", 1, true, object{"b": []any{}}},
	})
	p.showCheck("nothing", object{})
	p.showCheck("no host", object{"connection": object{"user": "root"}})
	p.showCheck("proxy without host", object{"connection": object{"host": "node", "proxy": object{}}})
	p.showCheck("unknown field", object{"connection": host, "craete": "true"})
	p.showCheck("unknown field of the connection", object{"connection": object{"host": "node", "passwrod": "p"}})
	p.showCheck("wrong types", object{"connection": object{"host": 1, "port": "x"}, "create": 1, "environment": []any{}})
	p.showCheck("fraction of a port", object{"connection": object{"host": "node", "port": 22.5}})
	p.showCheck("fraction of a limit", object{"connection": object{"host": "node", "dialErrorLimit": 1.5}})
	p.showCheck("logging of no kind", object{"connection": host, "logging": "all"})
	p.showCheck("environment of numbers", object{"connection": host, "environment": object{"A": 1}})
	p.showCheck("unknown values", object{
		"connection": object{"host": unknown, "privateKey": resource.MakeSecret(unknown)}, "create": unknown,
		"triggers": []any{unknown},
	})
	p.showCheck("unknown connection", object{"connection": unknown, "create": "true"})
	p.showCheck("secret text", object{"connection": host, "create": resource.MakeSecret(resource.NewProperty("c"))})
}

// everything returns inputs with a value for every property.
var everything = object{
	"connection": object{"host": "node", "privateKey": "k"}, "create": "c", "update": "u", "delete": "d", "stdin": "s",
	"environment": object{"A": "1"}, "logging": "none", "addPreviousOutputInEnv": false, "triggers": []any{"a"},
}

func testDiff(t *testing.T, p *provider, s *server) {
	old := p.made(everything)
	for _, c := range []struct {
		title   string
		changes object
	}{
		{"nothing", nil},
		{"host", object{"connection": object{"host": "other", "privateKey": "k"}}},
		{"key", object{"connection": object{"host": "node", "privateKey": "l"}}},
		{"create", object{"create": "C"}},
		{"no create", object{"create": nil}},
		{"unknown create", object{"create": unknown}},
		{"update", object{"update": "U"}},
		{"no update", object{"update": nil}},
		{"delete", object{"delete": "D"}},
		{"stdin", object{"stdin": "S"}},
		{"no stdin", object{"stdin": nil}},
		{"environment", object{"environment": object{"A": "2", "B": "1"}}},
		{"logging", object{"logging": "stdout"}},
		{"no logging", object{"logging": nil}},
		{"addPreviousOutputInEnv", object{"addPreviousOutputInEnv": true}},
		{"no addPreviousOutputInEnv", object{"addPreviousOutputInEnv": nil}},
		{"trigger", object{"triggers": []any{"b"}}},
		{"more triggers", object{"triggers": []any{"a", "b"}}},
		{"no triggers", object{"triggers": nil}},
		{"unknown trigger", object{"triggers": []any{unknown}}},
		{"trigger and create", object{"triggers": []any{"b"}, "create": "C"}},
	} {
		p.diff(c.title, old, p.checked(with(everything, c.changes)))
	}
	secret := old.inputs.Copy()
	secret["create"] = resource.MakeSecret(secret["create"])
	p.diff("create that became secret", old, secret)
}

func testPreview(t *testing.T, p *provider, s *server) {
	gone := object{"host": "127.0.0.1", "port": freePort(t)} // no connection is made
	p.name(fmt.Sprint(gone["port"]), "closed port")
	p.create("", object{"connection": gone, "create": "c"}, preview)
	p.create("of unknown text", object{"connection": gone, "create": unknown, "stdin": unknown}, preview)
	p.create("on an unknown host", object{"connection": object{"host": unknown}, "create": "c"}, preview)
	p.create("with an unknown connection", object{"connection": unknown, "create": "c"}, preview)
	p.create("of secret text", object{"connection": gone, "create": resource.MakeSecret(resource.NewProperty("c"))}, preview)

	old := p.made(object{"connection": gone, "create": "c"})
	p.update("unchanged", old, object{"connection": gone, "create": "c"}, preview)
	p.update("with another create", old, object{"connection": gone, "create": "C"}, preview)
	p.update("with an update", old, object{"connection": gone, "create": "c", "update": "u"}, preview)
	p.update("of unknown text", old, object{"connection": gone, "create": unknown}, preview)
	p.update("with another delete", old, object{"connection": gone, "create": "c", "delete": "d"}, preview)
	p.update("without create", old, object{"connection": gone}, preview)

	old = p.made(everything)
	for _, c := range []struct {
		title   string
		changes object
	}{
		{"nothing", nil},
		{"connection", object{"connection": object{"host": "other"}}},
		{"create", object{"create": "C"}},
		{"update", object{"update": "U"}},
		{"delete", object{"delete": "D"}},
		{"stdin", object{"stdin": "S"}},
		{"environment", object{"environment": object{"A": "2"}}},
		{"logging", object{"logging": "stdout"}},
		{"addPreviousOutputInEnv", object{"addPreviousOutputInEnv": true}},
		{"triggers", object{"triggers": []any{"b"}}},
	} {
		p.update("of all inputs, changed: "+c.title, old, with(everything, c.changes), preview)
	}
}

func testCreate(t *testing.T, p *provider, s *server) {
	p.create("", s.command(object{"create": "echo out; echo err >&2", "logging": "none"}))
	p.create("without a command", s.command(object{"delete": "true"}))
	p.create("of empty text", s.command(object{"create": ""}))
	p.create("that exits with 7", s.command(object{"create": "echo out; echo 'an \"error\"'; exit 7"}))
	p.create("that exits with 7, unlogged", s.command(object{"create": "echo out; exit 7", "logging": "none"}))
	p.create("that is killed", s.command(object{"create": "kill -KILL $$"}))
	p.create("that is not found", s.command(object{"create": "/no/such/command"}))
	p.create("with stdin that fails", s.command(object{"create": "cat >/dev/null; exit 3", "stdin": "not shown"}))
	p.create("of many lines", s.command(object{"create": "echo one\necho two\nexit 1"}))
	p.create("on a host that is not there", object{
		"connection": s.connection(object{"host": "no-such-host.invalid", "dialErrorLimit": 0}),
	})
}

func testOutput(t *testing.T, p *provider, s *server) {
	for _, text := range []string{`a`, `a\n`, `a\n\n`, `\n`, `\n\n`, ` a \r\n`, `\ta\t`, `a\nb`, `\377\n`} {
		p.create(text, s.command(object{"create": "printf '" + text + "'; printf '" + text + "' >&2", "logging": "none"}))
	}
	state := p.create("of a million bytes", s.command(object{"create": "head -c 1000000 /dev/zero | tr '\\0' 'x' | fold -w 63", "logging": "none"}))
	p.write("  %d bytes", len(state.outputs["stdout"].StringValue()))
	p.shorten()
}

func testUpdate(t *testing.T, p *provider, s *server) {
	// Every command prints its name and what it received from the previous one.
	tell := func(name string) string { return fmt.Sprintf(`echo "%s after [$PULUMI_COMMAND_STDOUT]"`, name) }
	told := s.command(object{"create": tell("create"), "update": tell("update"), "delete": tell("delete")})
	first := p.create("", told)
	second := p.update("", first, told)
	p.update("that says no to the last output", second, s.command(object{
		"create": tell("create"), "update": tell("update"), "addPreviousOutputInEnv": false}))
	p.update("that says yes to the last output", second, s.command(object{
		"create": tell("create"), "update": tell("update"), "addPreviousOutputInEnv": true}))
	p.update("without update", second, s.command(object{"create": tell("create")}))
	p.update("without create and update", second, s.command(object{"delete": "true"}))
	p.update("that fails", second, s.command(object{"create": tell("create"), "update": "echo late; exit 9"}))
	p.update("with empty update", second, s.command(object{"create": tell("create"), "update": ""}))
	p.update("without update that fails", second, s.command(object{"create": "exit 9"}))

	big := s.command(object{"create": "head -c 300000 /dev/zero | tr '\\0' 'x' | fold -w 99", "logging": "none"})
	_, err := p.client.Create(t.Context(), &pulumirpc.CreateRequest{Urn: urn, Properties: p.marshal(p.checked(big))})
	p.outcome("create of much output", err)
	second.outputs["stdout"] = resource.NewProperty(strings.Repeat("x", 300000))
	p.update("after much output", second, s.command(object{"create": "echo done"}))
	p.update("after much output, unheeded", second, s.command(object{"create": "echo done", "addPreviousOutputInEnv": false}))
	p.delete("after much output", &state{second.id, second.inputs, second.outputs})
}

func testDelete(t *testing.T, p *provider, s *server) {
	file := s.path("witness")
	p.name(file, "witness")
	inputs := s.command(object{
		"create": "echo created", "delete": fmt.Sprintf(`echo "[$PULUMI_COMMAND_STDOUT]"; cat >%s`, file), "stdin": "in",
	})
	created := p.create("", inputs)
	p.delete("", created)
	content, err := os.ReadFile(file)
	check(t, err)
	p.write("witness: %s", content)
	p.delete("without a command", p.create("without delete", s.command(object{"create": "true"})))
	p.delete("that fails", p.create("with a failing delete", s.command(object{"delete": "echo no; exit 4"})))

	// The host is that of the state.
	closed := freePort(t)
	p.name(fmt.Sprint(closed), "closed port")
	created.outputs["connection"] = p.checked(object{"connection": s.connection(object{"port": closed})})["connection"]
	p.delete("at a closed port", created)
}

func testStdin(t *testing.T, p *provider, s *server) {
	p.create("", s.command(object{"create": "cat", "stdin": "one\ntwo\n"}))
	p.create("of nothing", s.command(object{"create": "wc -c"}))
	p.create("of empty text", s.command(object{"create": "wc -c", "stdin": ""}))
	p.create("that is not read", s.command(object{"create": "true", "stdin": strings.Repeat("x", 1<<10)}))
	state := p.create("for updates", s.command(object{"create": "cat", "update": "tr a-z A-Z", "stdin": "abc"}))
	p.update("", state, s.command(object{"create": "cat", "update": "tr a-z A-Z", "stdin": "xyz"}))
	large, err := p.client.Create(t.Context(), &pulumirpc.CreateRequest{Urn: urn, Properties: p.marshal(p.checked(
		s.command(object{"create": "wc -c", "stdin": strings.Repeat("x", 2<<20)})))})
	check(t, err)
	p.outcome("create with 2 MiB", nil, "stdout = "+showValue(p.unmarshal(large.Properties)["stdout"]))
}

func testEnvironment(t *testing.T, p *provider, s *server) {
	p.create("", s.command(object{"create": "echo $LC_A$LC_B", "environment": object{"LC_A": "1", "LC_B": "two words"}}))
	p.create("that is refused", s.command(object{"create": "echo $A", "environment": object{"A": "1"}}))
	p.create("in part refused", s.command(object{"create": "echo $LC_A", "environment": object{"LC_A": "1", "A": "1"}}))
	p.create("empty", s.command(object{"create": "echo [$LC_A]", "environment": object{"LC_A": ""}}))

	strict := startServer(t, "LC_*")
	p.name(fmt.Sprint(strict.port), "strict port")
	inputs := strict.command(object{"create": `echo "out [$PULUMI_COMMAND_STDOUT]"; echo err >&2`, "delete": "echo gone", "logging": "none"})
	state := p.create("at a server that refuses", inputs)
	p.update("at a server that refuses", state, inputs)
	p.delete("at a server that refuses", state)
}

func testSecrets(t *testing.T, p *provider, s *server) {
	secret := func(text string) resource.PropertyValue { return resource.MakeSecret(resource.NewProperty(text)) }
	state := p.create("", s.command(object{"create": secret("echo out"), "stdin": secret("in"), "logging": "none"}))
	p.update("", state, s.command(object{"create": secret("echo OUT"), "stdin": secret("in"), "logging": "none"}))
	p.create("that fails", s.command(object{"create": secret("echo hush; exit 1"), "logging": "none"}))
}

func testLogging(t *testing.T, p *provider, s *server) {
	for _, mode := range []string{"stdout", "stderr", "stdoutAndStderr", "none"} {
		p.create(mode, s.command(object{"create": "echo out; sleep 0.3; echo err >&2", "logging": mode}))
	}
	p.create("by default", s.command(object{"create": "echo out; sleep 0.3; echo err >&2"}))
	p.create("of a last line without end", s.command(object{"create": "printf 'one\ntwo'"}))
	p.create("of empty lines", s.command(object{"create": "printf '\n\none\r\n'"}))
	p.create("of progress", s.command(object{"create": `printf '1%%\r2%%\r3%%\n'`}))
	p.create("of lines across streams", s.command(object{"create": "printf one; sleep 0.3; printf 'two\n' >&2; sleep 0.3; echo three"}))
	p.create("of a line of 65535 bytes", s.command(object{"create": "head -c 65535 /dev/zero | tr '\\0' x; echo; echo end"}))
	p.shorten()
}

// A line of 64 KiB stops the log, and so the command, forever.
func testHang(t *testing.T, p *provider, s *server) {
	line := "head -c 70000 /dev/zero | tr '\\0' x; echo; echo end"
	p.create("of a long line, unlogged", s.command(object{"create": line, "logging": "none"}))
	p.shorten()
	done := make(chan error, 1)
	in := p.marshal(p.checked(s.command(object{"create": line})))
	go func() {
		_, err := p.client.Create(t.Context(), &pulumirpc.CreateRequest{Urn: urn, Properties: in, Timeout: 1})
		done <- err
	}()
	select {
	case err := <-done:
		p.write("## create of a long line\n  ended: %v", err)
	case <-time.After(5 * time.Second):
		p.write("## create of a long line\n  still running after 5 s, with a timeout of 1 s")
	}
	_, err := p.client.Cancel(t.Context(), &emptypb.Empty{})
	p.write("## cancel\n  error: %v", err)
	select {
	case err := <-done:
		p.write("  ended: %v", err)
	case <-time.After(2 * time.Second):
		p.write("  still running after it")
	}
	p.stop()
	<-done
}

func testDial(t *testing.T, p *provider, s *server) {
	closed := freePort(t)
	p.name(fmt.Sprint(closed), "closed port")
	for limit := range 3 {
		p.create(fmt.Sprintf("with dialErrorLimit %d", limit), object{
			"create": "true", "connection": s.connection(object{"port": closed, "dialErrorLimit": limit})})
	}
	for limit := range 3 {
		c := startCounter(t, 0, fmt.Sprint("127.0.0.1:", closed))
		_, err := p.client.Create(t.Context(), &pulumirpc.CreateRequest{Urn: urn, Properties: p.marshal(p.checked(object{
			"create": "true", "connection": s.connection(object{"port": c.port, "dialErrorLimit": limit})}))})
		p.takeLogs()
		p.write("## create with dialErrorLimit %d at a server that drops out\n  failed: %v, %s", limit, err != nil, c)
	}
	began := time.Now()
	p.create("with a timeout", object{
		"create": "true", "connection": s.connection(object{"port": closed, "dialErrorLimit": -1})}, timeout(2))
	p.write("  within 4 s: %v", time.Since(began) < 4*time.Second)

	began = time.Now()
	_, err := p.client.Create(t.Context(), &pulumirpc.CreateRequest{Urn: urn, Properties: p.marshal(p.checked(object{
		"create": "true", "connection": s.connection(object{"port": closed, "dialErrorLimit": nil})}))})
	took := time.Since(began)
	p.takeLogs()
	p.write("## create with the default limit\n  failed: %v, after 10 to 13 s: %v", err != nil, took > 10*time.Second && took < 13*time.Second)

	go func() {
		time.Sleep(time.Second)
		startCounter(t, closed, s.address())
	}()
	_, err = p.client.Create(t.Context(), &pulumirpc.CreateRequest{Urn: urn, Properties: p.marshal(p.checked(object{
		"create": "true", "connection": s.connection(object{"port": closed, "dialErrorLimit": -1})}))})
	p.takeLogs()
	p.write("## create at a server that comes up later\n  error: %v", err)

	rude, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer rude.Close()
	go func() {
		for {
			conn, err := rude.Accept()
			if err != nil {
				return
			}
			bufio.NewReader(conn).ReadString('\n')
			conn.Close()
		}
	}()
	port := rude.Addr().(*net.TCPAddr).Port
	p.name(fmt.Sprint(port), "rude port")
	p.create("at a server that hangs up", object{"create": "true", "connection": s.connection(object{"port": port})})
}

func testHostKey(t *testing.T, p *provider, s *server) {
	_, other := newKey(t, "")
	p.name(s.hostKey, "host key")
	p.name(other, "other host key")
	try := func(title, hostKey string) {
		p.create(title, object{"create": "echo in", "connection": s.connection(object{"hostKey": hostKey})})
	}
	try("with the host key", s.hostKey)
	try("with the host key and a comment", s.hostKey+" root@node\n")
	try("with a line of known_hosts", fmt.Sprintf("[127.0.0.1]:%d %s", s.port, s.hostKey))
	try("with another key", other)
	try("with a key of another kind", rsaKey(t))
	try("with no key", "nonsense")
	try("with an empty key", "")
}

func rsaKey(t *testing.T) string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	check(t, err)
	public, err := ssh.NewPublicKey(&key.PublicKey)
	check(t, err)
	return string(ssh.MarshalAuthorizedKey(public))
}

func testKey(t *testing.T, p *provider, s *server) {
	stranger, _ := newKey(t, "")
	locked, public := newKey(t, "open")
	s.authorize(public)
	for name, value := range map[string]string{"other private key": stranger, "locked private key": locked} {
		p.name(strings.Trim(strconv.Quote(value), `"`), name)
	}
	try := func(title string, changes object) {
		p.create(title, object{"create": "echo in", "connection": s.connection(changes)})
	}
	try("with a key", nil)
	try("with another key", object{"privateKey": stranger})
	try("with another key, twice", object{"privateKey": stranger, "dialErrorLimit": 1})
	try("with a locked key", object{"privateKey": locked})
	try("with a locked key and its password", object{"privateKey": locked, "privateKeyPassword": "open"})
	try("with a locked key and a wrong password", object{"privateKey": locked, "privateKeyPassword": "shut"})
	try("with a key and a password of none", object{"privateKeyPassword": "open"})
	try("with a key that is none", object{"privateKey": "nonsense"})
	try("with an empty key", object{"privateKey": ""})
	try("with nothing to log in by", object{"privateKey": nil})
	try("with a user that is not there", object{"user": "no-such-user"})
}

func testAgent(t *testing.T, p *provider, s *server) {
	private, err := ssh.ParseRawPrivateKey([]byte(s.key))
	check(t, err)
	keyring := agent.NewKeyring()
	check(t, keyring.Add(agent.AddedKey{PrivateKey: private}))
	socket, stale := s.path("agent"), s.path("stale")
	p.name(socket, "agent")
	p.name(stale, "stale agent")
	listener, err := net.Listen("unix", socket)
	check(t, err)
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go agent.ServeAgent(keyring, conn)
		}
	}()
	stranger, _ := newKey(t, "")
	p.name(strings.Trim(strconv.Quote(stranger), `"`), "other private key")
	try := func(p *provider, title string, changes object) {
		p.create(title, object{"create": "echo in", "connection": s.connection(changes)})
	}
	try(p, "with an agent", object{"privateKey": nil, "agentSocketPath": socket})
	try(p, "with another key and an agent", object{"privateKey": stranger, "agentSocketPath": socket})
	try(p, "with a key and a stale agent", object{"agentSocketPath": stale})
	try(p, "with an empty path", object{"agentSocketPath": ""})

	p.restart("SSH_AUTH_SOCK=" + socket)
	try(p, "with an agent of the environment", object{"privateKey": nil})
	try(p, "with a stale agent, and another of the environment", object{"privateKey": nil, "agentSocketPath": stale})
	p.restart("SSH_AUTH_SOCK=" + stale)
	try(p, "with a key and a stale agent of the environment", nil)
}

func testPassword(t *testing.T, p *provider, s *server) {
	stranger, _ := newKey(t, "")
	p.name(strings.Trim(strconv.Quote(stranger), `"`), "other private key")
	for _, kind := range []struct {
		name        string
		interactive bool
	}{{"a password", false}, {"answers", true}} {
		port := passwordServer(t, "right", kind.interactive)
		p.name(fmt.Sprint(port), "port for "+kind.name)
		try := func(title string, changes object) {
			changes["port"] = port
			p.create(title, object{"create": "any", "connection": s.connection(changes)})
		}
		try("with "+kind.name, object{"privateKey": nil, "password": "right"})
		try("with wrong "+kind.name, object{"privateKey": nil, "password": "wrong"})
		try("with a key and "+kind.name, object{"privateKey": stranger, "password": "right"})
	}
}

func testProxy(t *testing.T, p *provider, s *server) {
	bastion := startServer(t, "LC_*")
	stranger, _ := newKey(t, "")
	p.name(fmt.Sprint(bastion.port), "bastion port")
	p.name(strings.Trim(strconv.Quote(stranger), `"`), "other private key")
	_, other := newKey(t, "")
	closed := freePort(t)
	p.name(fmt.Sprint(closed), "closed port")
	try := func(title string, changes, proxyChanges object) {
		connection := s.connection(changes)
		connection["proxy"] = bastion.connection(proxyChanges)
		p.create(title, object{"create": "echo in", "connection": connection})
	}
	try("through a bastion", nil, nil)
	try("through a bastion, both host keys known", object{"hostKey": s.hostKey}, object{"hostKey": bastion.hostKey})
	try("through a bastion of another host key", nil, object{"hostKey": other})
	try("through a bastion that is closed", nil, object{"port": closed})
	try("through a bastion that is closed, twice", nil, object{"port": closed, "dialErrorLimit": 1})
	try("through a bastion that says no", nil, object{"privateKey": stranger})
	try("through a bastion, with a key that is none", nil, object{"privateKey": "nonsense"})
	try("through a bastion, with a key for the host that is none", object{"privateKey": "nonsense"}, nil)
	try("through a bastion, at a closed port", object{"port": closed}, nil)
	try("through a bastion, at a closed port, twice", object{"port": closed, "dialErrorLimit": 1}, nil)
	try("through a bastion, at a host that says no", object{"privateKey": stranger}, nil)
	try("through a bastion, at a host that says no, twice", object{"privateKey": stranger, "dialErrorLimit": 1}, nil)
	try("through a bastion, at a host of another host key", object{"hostKey": other}, nil)
}

// The plugin opens a connection for each command and never closes it.
func testConnections(t *testing.T, p *provider, s *server) {
	c := startCounter(t, 0, s.address())
	p.name(fmt.Sprint(c.port), "counter port")
	inputs := object{"connection": s.connection(object{"port": c.port}), "create": "echo in", "delete": "echo out"}
	state := p.create("", inputs)
	p.write("%s", c)
	state = p.update("", state, inputs)
	p.write("%s", c)
	p.diff("", state, state.inputs)
	p.update("", state, inputs, preview)
	p.update("without commands", state, object{"connection": inputs["connection"]})
	p.write("%s", c)
	p.delete("", state)
	p.write("%s", c)
	p.create("that fails", object{"connection": inputs["connection"], "create": "exit 1"})
	p.write("%s", c)
	p.stop()
	p.write("after the plugin's end: %s", c)
}

func testRead(t *testing.T, p *provider, s *server) {
	closed := freePort(t)
	p.name(fmt.Sprint(closed), "closed port")
	old := p.made(object{"connection": object{"host": "127.0.0.1", "port": closed}, "create": "c"})
	r, err := p.client.Read(t.Context(), &pulumirpc.ReadRequest{
		Id: old.id, Urn: urn, Name: "node", Type: "command:remote:Command",
		Inputs: p.marshal(old.inputs), Properties: p.marshal(old.outputs),
	})
	check(t, err)
	p.outcome("read", nil, slices.Concat([]string{"id = " + r.Id, "inputs:"}, show(p.unmarshal(r.Inputs)), []string{"outputs:"},
		show(p.unmarshal(r.Properties)))...)
}

// A command that loses its connection.
func testLost(t *testing.T, p *provider, s *server) {
	p.create("whose server ends", s.command(object{"create": "echo out; sleep 0.5; kill -KILL $PPID; sleep 5"}))
}

// The resource's schema without descriptions.
func testSchema(t *testing.T, p *provider, s *server) {
	r, err := p.client.GetSchema(t.Context(), &pulumirpc.GetSchemaRequest{})
	check(t, err)
	var schema struct {
		Name, Version string
		Types         map[string]any
		Resources     map[string]any
	}
	check(t, json.Unmarshal([]byte(r.Schema), &schema))
	p.write("%s %s", schema.Name, schema.Version)
	parts := map[string]any{"command:remote:Command": schema.Resources["command:remote:Command"]}
	for token, spec := range schema.Types {
		if strings.HasPrefix(token, "command:remote:") {
			parts[token] = spec
		}
	}
	dropDescriptions(parts)
	text, err := json.MarshalIndent(parts, "", "  ")
	check(t, err)
	p.write("%s", text)
	info, err := p.client.GetPluginInfo(t.Context(), &emptypb.Empty{})
	check(t, err)
	p.write("plugin version %s", info.Version)
}

func dropDescriptions(value any) {
	switch value := value.(type) {
	case map[string]any:
		for key, inner := range value {
			if _, text := inner.(string); key == "description" && text {
				delete(value, key)
			}
			dropDescriptions(inner)
		}
	case []any:
		for _, inner := range value {
			dropDescriptions(inner)
		}
	}
}
