package iggytest_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

// client sends and receives frames.
type client struct {
	net.Conn
}

func dial(t *testing.T, endpoint string) *client {
	t.Helper()
	nc, err := net.Dial("tcp", endpoint)
	require.NoError(t, err)
	return wrap(t, nc)
}

func dialTLS(t *testing.T, endpoint string, config *tls.Config) *client {
	t.Helper()
	nc, err := tls.Dial("tcp", endpoint, config)
	require.NoError(t, err)
	return wrap(t, nc)
}

func wrap(t *testing.T, nc net.Conn) *client {
	t.Cleanup(func() { _ = nc.Close() })
	require.NoError(t, nc.SetDeadline(time.Now().Add(30*time.Second)))
	return &client{nc}
}

func (c *client) request(command embedded.Command, body []byte) error {
	frame := binary.LittleEndian.AppendUint32(nil, uint32(4+len(body)))
	frame = binary.LittleEndian.AppendUint32(frame, uint32(command))
	_, err := c.Write(append(frame, body...))
	return err
}

// answer returns what was received, also when that is less than an answer.
func (c *client) answer() (embedded.Status, []byte, error) {
	head := make([]byte, 8)
	if n, err := io.ReadFull(c, head); err != nil {
		return 0, head[:n], err
	}
	body := make([]byte, binary.LittleEndian.Uint32(head[4:]))
	n, err := io.ReadFull(c, body)
	return embedded.Status(binary.LittleEndian.Uint32(head)), body[:n], err
}

func (c *client) call(command embedded.Command, body []byte) (embedded.Status, []byte, error) {
	if err := c.request(command, body); err != nil {
		return 0, nil, err
	}
	return c.answer()
}

func name(s string) []byte { return append([]byte{byte(len(s))}, s...) }

func (c *client) login(t *testing.T) *client {
	t.Helper()
	body := append(name("iggy"), name("iggy")...)
	status, _, err := c.call(embedded.LoginUser, append(body, make([]byte, 8)...))
	require.NoError(t, err)
	require.Equal(t, embedded.StatusOK, status)
	return c
}

// status returns the status of the answer to a request.
func (c *client) status(t *testing.T, command embedded.Command, body []byte) embedded.Status {
	t.Helper()
	status, _, err := c.call(command, body)
	require.NoError(t, err)
	return status
}

// exists reports whether there is a stream of this name, on a connection of its own.
func exists(t *testing.T, srv *embedded.Server, stream string) bool {
	t.Helper()
	c := dial(t, srv.Address()).login(t)
	defer func() { _ = c.Close() }()
	_, body, err := c.call(embedded.GetStream, append([]byte{2}, name(stream)...))
	require.NoError(t, err)
	return len(body) > 0
}

func start(t *testing.T, opts ...embedded.Option) *embedded.Server {
	t.Helper()
	srv, err := embedded.Start(opts...)
	require.NoError(t, err)
	t.Cleanup(srv.Crash)
	return srv
}

func trust(t *testing.T, ca []byte) *tls.Config {
	t.Helper()
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(ca))
	return &tls.Config{RootCAs: pool}
}
