package cli_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

// completions are what a shell is told to complete the last word with, without descriptions.
func completions(t *testing.T, args ...string) []string {
	t.Helper()
	var words []string
	for line := range strings.Lines(run(t, append([]string{"__complete"}, args...)...).ok(t)) {
		if word, _, _ := strings.Cut(strings.TrimSpace(line), "\t"); !strings.HasPrefix(word, ":") {
			words = append(words, word)
		}
	}
	return words
}

func TestCompletionAsksTheServer(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.run("provision", "shop%2Feu/invoices", "--yes").ok(t)
	s.run("provision", "shop/returns", "--group", "refunds", "--yes").ok(t)
	at := "--endpoint=iggy:iggy@" + s.Address()
	complete := func(args ...string) []string {
		t.Helper()
		return completions(t, append([]string{args[0], at}, args[1:]...)...)
	}
	require.Equal(t, []string{"tasks", "status", "logs", "dlq", "shop/", "shop%2Feu/"}, complete("tail", ""))
	require.Equal(t, []string{"shop/", "shop%2Feu/"}, complete("tail", "--prefix", "SHOP", ""), "FetchBox's are not in that configuration")
	require.Equal(t, []string{"shop/", "shop%2Feu/"}, complete("lag", "sh"))
	require.Equal(t, []string{"shop/orders", "shop/returns"}, complete("publish", "shop/"))
	require.Equal(t, []string{"shop/orders"}, complete("topics", "shop/o"))
	require.Equal(t, []string{"shop%2Feu/invoices"}, complete("offsets", "set", "shop%2Feu/"))
	require.Empty(t, complete("tail", "shop/orders", ""), "it has its topic")
	require.Equal(t, []string{"shop/returns"}, complete("groups", "shop/orders", "shop/r"), "several topics")
	require.Empty(t, complete("tail", "nope/"))

	require.Equal(t, []string{"billing"}, complete("tail", "shop/orders", "--group", ""))
	require.Equal(t, []string{"billing", "refunds"}, complete("lag", "shop", "--group", ""))
	require.Empty(t, complete("lag", "--group", ""))
	require.Equal(t, []string{"0", "1", "2"}, complete("tail", "shop/orders", "--partition", ""))
	require.Equal(t, []string{"2,0", "2,1", "2,2"}, complete("offsets", "reset", "shop/orders", "--partition", "2,"))
	require.Equal(t, []string{"first", "end", "1h", "1d"}, complete("tail", "--since", ""))
	s.StopListening()
	s.CutConnections()
	require.Empty(t, complete("tail", "shop/"))
}

func TestCompletionReadsTheConfiguration(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "iggy: {endpont: wrong}\nclusters:\n  eu: {}\n  us-1: {iggy: {client_id: x}}\n  asia:\nother: 1\n")
	require.Equal(t, []string{"eu", "us-1", "asia"}, completions(t, "ping", "--config", file, "--cluster", ""))
	require.Equal(t, []string{"us-1"}, completions(t, "--config", file, "--cluster", "u"))
	require.Empty(t, completions(t, "ping", "--config", "/nonexistent", "--cluster", ""))
	dir, orders := writeProtos(t)
	require.Equal(t, []string{"shop.v1.Order", "shop.v1.Order.Line"}, completions(t, "tail", "--proto", orders, "--proto-path", dir, "--type", "shop.v1.O"))
	require.Equal(t, []string{"text", "json"}, completions(t, "ping", "--output", ""))
}

// TestCompletionUsesTheChosenCluster requires that topics are those of the cluster of --cluster.
func TestCompletionUsesTheChosenCluster(t *testing.T) {
	t.Parallel()
	s := system{iggytest.NewServer(t), t}
	s.run("provision", "eu/orders", "--yes").ok(t)
	file := writeFile(t, "clusters:\n  eu:\n    iggy: {endpoint: iggy://"+s.Address()+", client_id: iggy, client_secret: iggy}\n")
	require.Equal(t, []string{"eu/orders"}, completions(t, "tail", "--config", file, "--cluster", "eu", "eu/"))
}
