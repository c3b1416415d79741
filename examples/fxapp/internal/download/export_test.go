package download

// TransportError classifies the error of a request without a complete response.
func TransportError(err error) error { return transportError(err) }
