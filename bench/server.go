package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

// The arguments that make the program run as a child of itself.
const (
	serveArgument = "serve-embedded"
	delayArgument = "delay" // with the address of the server and the delay of a direction
)

// server is the measured server.
type server struct {
	name               string
	address            string
	username, password string
	close              func()
}

// connectServer is the server that IGGY_TEST_ENDPOINT names, or a new embedded one.
func connectServer(ctx context.Context) (*server, error) {
	raw := os.Getenv("IGGY_TEST_ENDPOINT")
	if raw == "" {
		return startServer(ctx)
	}
	endpoint, err := url.Parse(raw)
	if err != nil || endpoint.Host == "" || endpoint.User == nil {
		return nil, errors.New("IGGY_TEST_ENDPOINT: must be iggy://user:password@host:port") // it holds a password
	}
	password, _ := endpoint.User.Password()
	return &server{
		name: "at " + endpoint.Host, address: endpoint.Host,
		username: endpoint.User.Username(), password: password, close: func() {},
	}, nil
}

// startServer starts this program as an embedded server.
func startServer(ctx context.Context) (*server, error) {
	address, stop, err := startChild(ctx, serveArgument)
	if err != nil {
		return nil, fmt.Errorf("start the embedded server: %w", err)
	}
	return &server{
		name: "embedded, in a process of its own", address: address,
		username: embedded.DefaultUsername, password: embedded.DefaultPassword, close: stop,
	}, nil
}

// startChild starts this program with other arguments, and returns the address that it prints. The
// child stops at the end of its standard input, so also when this process dies. Its CPU time does not
// count.
func startChild(ctx context.Context, args ...string) (address string, stop func(), err error) {
	program, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	command := exec.CommandContext(ctx, program, args...)
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	output, err := command.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := command.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = input.Close()
		_ = command.Wait()
	}
	address, err = bufio.NewReader(output).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, err
	}
	return strings.TrimSpace(address), stop, nil
}

// runChild runs this program as a child of startChild, when its arguments say so.
func runChild(args []string, in io.Reader, out io.Writer) (is bool, err error) {
	switch {
	case len(args) == 1 && args[0] == serveArgument:
		return true, serve(in, out)
	case len(args) == 3 && args[0] == delayArgument:
		return true, delay(args[1], args[2], in, out)
	default:
		return false, nil
	}
}

// serve runs the embedded server: it prints its address, and stops when in ends.
func serve(in io.Reader, out io.Writer) error {
	server, err := embedded.Start(embedded.WithRetention(1 << 30))
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, server.Address()); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, in)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return server.Stop(ctx)
}

// delay runs a relay to a server that delivers every byte later by oneWay: it prints its address, and
// stops when in ends.
func delay(address, oneWay string, in io.Reader, out io.Writer) error {
	d, err := time.ParseDuration(oneWay)
	if err != nil {
		return err
	}
	relay, err := newProxy(address, relayDelayed(d))
	if err != nil {
		return err
	}
	defer relay.close()
	if _, err := fmt.Fprintln(out, relay.address()); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, in)
	return nil
}
