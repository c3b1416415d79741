package httpserver

import "time"

// SetWriteTimeout changes it, before Start.
func (s *Server) SetWriteTimeout(d time.Duration) { s.http.WriteTimeout = d }

// WriteTimeout is what a Server is made with.
const WriteTimeout = writeTimeout
