package fxiggy_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A service that imports only fxiggy compiles neither gRPC nor exporters of telemetry, nor what the
// examples and the command line tool need.
func TestServicesDoNotCompileExportersOrGRPC(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", "github.com/fetchbox/fetchbox-iggy/fxiggy").Output()
	require.NoError(t, err)
	packages := strings.Fields(string(out))
	require.Contains(t, packages, "github.com/fetchbox/fetchbox-iggy/consumer")
	for _, p := range packages {
		for _, unwanted := range []string{
			"google.golang.org/grpc", "go.opentelemetry.io/contrib", "go.opentelemetry.io/otel/exporters",
			"go.opentelemetry.io/otel/sdk", "github.com/prometheus", "github.com/spf13", "github.com/schollz", "golang.org/x/term",
			"github.com/bufbuild", "github.com/cloudevents", "github.com/go-json-experiment", "github.com/zeebo",
			"github.com/fetchbox/fetchbox-iggy/internal/cli", "github.com/fetchbox/fetchbox-iggy/embedded",
			"github.com/fetchbox/fetchbox-iggy/examples",
		} {
			require.False(t, p == unwanted || strings.HasPrefix(p, unwanted+"/"), "fxiggy imports %s", p)
		}
	}
}
