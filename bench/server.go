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

// serveArgument makes the program run as the embedded server of another process.
const serveArgument = "serve-embedded"

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
		name: "the one at " + endpoint.Host, address: endpoint.Host,
		username: endpoint.User.Username(), password: password, close: func() {},
	}, nil
}

// startServer starts this program as an embedded server. It stops at the end of its standard input,
// so also when this process dies.
func startServer(ctx context.Context) (*server, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, program, serveArgument)
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	stop := func() {
		_ = input.Close()
		_ = command.Wait()
	}
	address, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		stop()
		return nil, fmt.Errorf("start the embedded server: %w", err)
	}
	return &server{
		name: "embedded, in a process of its own", address: strings.TrimSpace(address),
		username: embedded.DefaultUsername, password: embedded.DefaultPassword, close: stop,
	}, nil
}

// serve runs the embedded server: it prints its address, and stops when in ends.
func serve(in io.Reader, out io.Writer) error {
	server, err := embedded.Start(embedded.WithRetention(128 << 20))
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
