package iggytest

import (
	"fmt"
	"os"
	"path/filepath"
)

// YAML is the section iggy of a FetchBox configuration that leads to this
// server, logging in with [Username] and [Password]; other sections may follow
// it. Of a server with TLS it names a file with the certificate, which is there
// until the test ends; when that can't be written it fails the test.
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
