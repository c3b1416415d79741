package link

import (
	"crypto/sha256"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/native"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/sdk"
)

// Server identifies the server of a session and the login there. Two that are equal see the same
// streams, with the same permissions.
type Server struct {
	address string
	cfg     config.Iggy // without secrets, which are not compared by ==
	secrets [sha256.Size]byte
	link    *Link // with a dialer of its own; nil: the configuration says everything
}

// Server returns the server of the session.
func (s *Session) Server() Server {
	l := s.link
	server := Server{address: s.conn.Address, cfg: l.cfg}
	server.secrets = sha256.Sum256([]byte(l.cfg.ClientSecret.Reveal() + "\x00" + l.cfg.Token.Reveal()))
	server.cfg.ClientSecret, server.cfg.Token = config.Secret{}, config.Secret{}
	switch l.dialer.(type) {
	case native.Dialer, sdk.Dialer:
	default:
		server.link = l
	}
	return server
}
