package main

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/consumer/consumertest"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/producer/producertest"
)

// TestMain runs main in the processes of TestShop.
func TestMain(m *testing.M) {
	if os.Getenv("SHOP_RUN_MAIN") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// The handler needs no server: its message and its publisher are doubles.
func TestBill(t *testing.T) {
	t.Parallel()
	invoices := producertest.For(Invoices)
	b, err := newBilling(invoices, noop.NewMeterProvider())
	require.NoError(t, err)
	order := consumertest.NewMessage(Order{ID: "7", Customer: "acme", Cents: 1250})

	// A second delivery makes the same invoice, with the same id.
	require.NoError(t, b.Bill(t.Context(), order.Message))
	require.NoError(t, b.Bill(t.Context(), order.Message))
	published := invoices.Published()
	require.Equal(t, Invoice{OrderID: "7", Customer: "acme", Cents: 1250}, published[0].Value)
	require.Equal(t, published[0].ID, published[1].ID)

	invoices.Fail(iggyerr.ErrNotConnected)
	err = b.Bill(t.Context(), order.Message)
	require.Equal(t, consumer.Unavailable(errors.Unwrap(err)), err, "an outage of the other cluster is not the order's fault")
	invoices.Fail(iggyerr.ErrTooLarge)
	err = b.Bill(t.Context(), order.Message)
	require.Equal(t, consumer.Permanent(errors.Unwrap(err)), err, "what can't be published at all stops no others")
}

// The service as a process, on two servers: orders are billed on the other cluster, a poison order
// becomes a dead letter, and after ctrl-C and another start the totals are there again.
func TestShop(t *testing.T) {
	t.Parallel()
	srv, accounting := iggytest.NewServer(t), iggytest.NewServer(t)
	config := t.TempDir() + "/shop.yaml"
	require.NoError(t, os.WriteFile(config, srv.YAML(iggytest.Named("accounting", accounting)), 0o600))

	url, stop := start(t, config)
	for _, order := range []string{`"id": "1", "cents": 1000`, `"id": "2", "cents": -5`, `"id": "3", "cents": 234`} {
		order := strings.NewReader(`{"customer": "acme", ` + order + `}`)
		require.Contains(t, body(http.Post(url+"/orders", "application/json", order)), "is in partition")
	}
	invoices := accounting.WaitMessages("accounting", "invoices", 2)
	require.JSONEq(t, `{"order_id": "3", "customer": "acme", "cents": 234}`, string(invoices[1].Payload))
	letter := srv.WaitMessages("shop", "orders.billing.dlq", 1)[0]
	require.JSONEq(t, `{"id": "2", "customer": "acme", "cents": -5}`, string(letter.Payload))
	require.Equal(t, `order "2": nothing to bill`, letter.Header("failure-cause"))
	srv.WaitCommitted("shop", "orders", "billing", srv.Messages("shop", "orders")[0].Partition, 2)
	require.Regexp(t, `(?m)^shop_billed_cents_total{.*} 1234$`, get(url+"/metrics"))
	require.NoError(t, stop(), "ctrl-C ends the process with exit code 0")

	url, stop = start(t, config)
	require.Eventually(t, func() bool { return get(url+"/customers/acme") == "1234\n" }, 30*time.Second, 10*time.Millisecond)
	require.NoError(t, stop())
	require.Len(t, accounting.Messages("accounting", "invoices"), 2, "no order is billed again after a clean stop")
}

// start starts the process and returns its URL, and a function that stops it as ctrl-C does.
func start(t *testing.T, config string) (url string, stop func() error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, errors.Join(err, l.Close()))
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = []string{"SHOP_RUN_MAIN=1", "SHOP_CONFIG=" + config, "SHOP__HTTP__ADDR=" + l.Addr().String()}
	cmd.Stderr = t.Output()
	require.NoError(t, cmd.Start())
	url = "http://" + l.Addr().String()
	require.Eventually(t, func() bool { return strings.Contains(get(url+"/health/ready"), `"status": "up"`) }, 30*time.Second, 10*time.Millisecond)
	return url, func() error { return errors.Join(cmd.Process.Signal(os.Interrupt), cmd.Wait()) }
}

func get(url string) string { return body(http.Get(url)) }

// body returns the body of the answer to a request, or the error.
func body(resp *http.Response, err error) string {
	if err != nil {
		return err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	answer, _ := io.ReadAll(resp.Body)
	return string(answer)
}
