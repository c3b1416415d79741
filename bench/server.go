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

// serveArgument makes the program the embedded server of another bench.
const serveArgument = "serve-embedded"

// target is the server that is measured.
type target struct {
	name               string
	address            string
	username, password string
	close              func()
}

// findServer takes the server that IGGY_TEST_ENDPOINT names, or starts an embedded
// one in a process of its own.
func findServer(ctx context.Context) (*target, error) {
	raw := os.Getenv("IGGY_TEST_ENDPOINT")
	if raw == "" {
		return startServer(ctx)
	}
	endpoint, err := url.Parse(raw)
	if err != nil || endpoint.Host == "" || endpoint.User == nil {
		return nil, errors.New("IGGY_TEST_ENDPOINT: must be iggy://user:password@host:port") // it holds a password
	}
	password, _ := endpoint.User.Password()
	return &target{
		name: "the one at " + endpoint.Host, address: endpoint.Host,
		username: endpoint.User.Username(), password: password, close: func() {},
	}, nil
}

// startServer starts this program again as an embedded server. It ends when its
// standard input does, so also when this process dies.
func startServer(ctx context.Context) (*target, error) {
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
	return &target{
		name: "embedded, in a process of its own", address: strings.TrimSpace(address),
		username: embedded.DefaultUsername, password: embedded.DefaultPassword, close: stop,
	}, nil
}

// serve is the embedded server: it prints its address and lasts until in ends.
func serve(in io.Reader, out io.Writer) error {
	server, err := embedded.Start(embedded.WithRetention(128 << 20))
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, server.Endpoint()); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, in)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return server.Stop(ctx)
}
