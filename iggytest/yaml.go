package iggytest

import (
	"fmt"
	"os"
	"path/filepath"
)

// YAML returns the section iggy of a configuration for this server, with [Username] and [Password].
// Other sections may follow it. For a server with TLS it names a file with the certificate, which
// exists until the test ends. It fails the test when the file can't be written.
func (s *Server) YAML() []byte {
	s.tb.Helper()
	text := fmt.Sprintf("iggy:\n  endpoint: iggy://%s\n  client_id: %s\n  client_secret: %s\n", s.Endpoint(), Username, Password)
	if s.ca != nil {
		file := filepath.Join(s.tb.TempDir(), "ca.pem")
		if err := os.WriteFile(file, s.ca, 0o600); err != nil {
			s.tb.Fatalf("iggytest: %v", err)
		}
		text += fmt.Sprintf("  tls:\n    enabled: true\n    ca_file: %q\n", file)
	}
	return []byte(text)
}
