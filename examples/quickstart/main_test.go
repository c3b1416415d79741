package main

import (
	"bytes"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

// TestMain runs main in the processes of the tests.
func TestMain(m *testing.M) {
	if os.Getenv("QUICKSTART_RUN_MAIN") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// process is main as a process, with these variables.
func process(t *testing.T, out *bytes.Buffer, environ ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append([]string{"QUICKSTART_RUN_MAIN=1"}, environ...)
	cmd.Stdout, cmd.Stderr = out, out
	require.NoError(t, cmd.Start())
	return cmd
}

// docs/getting-started.md shows what the service prints.
func TestOrdersAreBilled(t *testing.T) {
	t.Parallel()
	srv := iggytest.NewServer(t)
	var out bytes.Buffer
	cmd := process(t, &out, "SHOP__IGGY__ENDPOINT="+srv.Endpoint(), "SHOP__IGGY__CLIENT_ID="+iggytest.Username, "SHOP__IGGY__CLIENT_SECRET="+iggytest.Password)
	letters := srv.WaitMessages("shop", "orders.billing.dlq", 1)
	require.JSONEq(t, `{"id": "3", "customer": "zeta", "cents": 0}`, string(letters[0].Payload))
	srv.WaitCommitted("shop", "orders", "billing", 0, 2)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.NoError(t, cmd.Wait(), out.String())
	for _, line := range []string{"placed order 1", "placed order 2", "placed order 3", "billed order 1", "billed order 2"} {
		require.Contains(t, out.String(), line+"\n")
	}
	require.Contains(t, out.String(), "order 3 has no price")
}

func TestMissingLoginIsOneLine(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.Error(t, process(t, &out).Wait())
	require.Regexp(t, `^\S+\tERROR\tfx\tstart failed\t\{"error": "iggy\.client_id: must be set, .*"\}\n$`, out.String())
}
