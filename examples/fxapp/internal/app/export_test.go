package app

// Within is Server.within.
func Within(s Server, descriptors int) Server { return s.within(descriptors) }

// DefaultServer returns the default configuration of the HTTP server.
func DefaultServer() Server { return defaultServer() }
