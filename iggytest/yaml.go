package iggytest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// YAML returns the section iggy of a configuration for this server, with [Username] and [Password].
// Other sections may follow it. For a server with TLS it names a file with the certificate, which
// exists until the test ends. It fails the test when the file can't be written.
//
// With servers of named clusters, the section clusters follows, with the section iggy of each of
// them:
//
//	srv.YAML(iggytest.Named("eu", eu), iggytest.Named("us", us))
func (s *Server) YAML(clusters ...NamedServer) []byte {
	s.tb.Helper()
	var text strings.Builder
	s.writeSection(&text, "")
	for i, c := range clusters {
		if i == 0 {
			text.WriteString("clusters:\n")
		}
		fmt.Fprintf(&text, "  %q:\n", c.name)
		c.server.writeSection(&text, "    ")
	}
	return []byte(text.String())
}

// NamedServer is the server of a named cluster in a configuration. Make one with [Named].
type NamedServer struct {
	name   string
	server *Server
}

// Named returns the server of the cluster with this name, for [Server.YAML].
func Named(name string, s *Server) NamedServer { return NamedServer{name: name, server: s} }

// writeSection writes the section iggy for this server.
func (s *Server) writeSection(text *strings.Builder, indent string) {
	s.tb.Helper()
	fmt.Fprintf(text, "%[1]siggy:\n%[1]s  endpoint: %[2]s\n%[1]s  client_id: %[3]s\n%[1]s  client_secret: %[4]s\n",
		indent, s.Endpoint(), Username, Password)
	if s.ca == nil {
		return
	}
	file := filepath.Join(s.tb.TempDir(), "ca.pem")
	if err := os.WriteFile(file, s.ca, 0o600); err != nil {
		s.tb.Fatalf("iggytest: %v", err)
	}
	fmt.Fprintf(text, "%[1]s  tls:\n%[1]s    enabled: true\n%[1]s    ca_file: %[2]q\n", indent, file)
}
