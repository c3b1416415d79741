package config

import (
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// defaultPort is the TCP port for an endpoint without one.
const defaultPort = 8090

// Address returns the endpoint's host and port in the form of net.Dial, or "" when the endpoint is
// not valid.
func (i Iggy) Address() string {
	host, port, err := splitEndpoint(i.Endpoint)
	if err != nil {
		return ""
	}
	return net.JoinHostPort(host, port)
}

// Host returns the endpoint's host without the port, or "" when the endpoint is not valid.
func (i Iggy) Host() string {
	host, _, err := splitEndpoint(i.Endpoint)
	if err != nil {
		return ""
	}
	return host
}

// splitEndpoint returns the host and the port. Its errors don't quote the endpoint, which may have
// a password in it.
func splitEndpoint(endpoint string) (host, port string, err error) {
	const form = "must be iggy://host:port or tcp://host:port"
	u, err := url.Parse(endpoint)
	switch {
	case endpoint == "" || err != nil || !strings.Contains(endpoint, "://"):
		return "", "", errors.New(form)
	case u.Scheme != "iggy" && u.Scheme != "tcp":
		return "", "", errors.New(form + ", not another scheme")
	case u.User != nil:
		return "", "", errors.New(form + ", without a user or a password: they belong in client_id and client_secret")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(endpoint, "#"):
		return "", "", errors.New(form + ", without a query or a fragment")
	case u.Path != "" && u.Path != "/":
		return "", "", errors.New(form + ", without a path")
	case u.Hostname() == "":
		return "", "", errors.New(form + ", with a host")
	case strings.HasSuffix(u.Host, ":"):
		return "", "", errors.New(form + ", with a port after the colon")
	}
	if u.Port() == "" {
		return u.Hostname(), strconv.Itoa(defaultPort), nil
	}
	if n, err := strconv.ParseUint(u.Port(), 10, 16); err != nil || n == 0 {
		return "", "", errors.New(form + ", with a port of 1 to 65535")
	}
	return u.Hostname(), u.Port(), nil
}
