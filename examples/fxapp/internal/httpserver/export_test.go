package httpserver

import "time"

// SetWriteTimeout changes the write timeout. It must be called before Start.
func (s *Server) SetWriteTimeout(d time.Duration) { s.http.WriteTimeout = d }

// WriteTimeout is the default write timeout.
const WriteTimeout = writeTimeout
