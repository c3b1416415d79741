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

// endpointForm is the form of an endpoint, as errors name it.
const endpointForm = "must be iggy://host:port or tcp://host:port"

// Addresses returns host and port of each server of the endpoint in the form of net.Dial, in the
// order of the endpoint. It is empty when the endpoint is not valid.
func (i Iggy) Addresses() []string {
	addresses, err := splitEndpoint(i.Endpoint)
	if err != nil {
		return nil
	}
	return addresses
}

// Address returns the first of Addresses, or "" when the endpoint is not valid.
func (i Iggy) Address() string {
	if addresses := i.Addresses(); len(addresses) > 0 {
		return addresses[0]
	}
	return ""
}

// host returns the host of Address without the port, or "" when the endpoint is not valid.
func (i Iggy) host() string {
	host, _, err := net.SplitHostPort(i.Address())
	if err != nil {
		return ""
	}
	return host
}

// splitEndpoint returns the addresses of an endpoint. Its errors don't quote the endpoint, which
// may have a password in it.
func splitEndpoint(endpoint string) ([]string, error) {
	scheme, hosts, ok := strings.Cut(endpoint, "://")
	if !ok {
		return nil, errors.New(endpointForm)
	}
	var addresses []string
	for host := range strings.SplitSeq(hosts, ",") {
		address, err := parseHost(scheme, host)
		if err != nil {
			return nil, err
		}
		addresses = append(addresses, address)
	}
	return addresses, nil
}

// parseHost returns the address of one host of an endpoint.
func parseHost(scheme, text string) (address string, err error) {
	u, err := url.Parse(scheme + "://" + text)
	switch {
	case err != nil:
		return "", errors.New(endpointForm)
	case u.Scheme != "iggy" && u.Scheme != "tcp":
		return "", errors.New(endpointForm + ", not another scheme")
	case u.User != nil:
		return "", errors.New(endpointForm + ", without a user or a password: they belong in client_id and client_secret")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(text, "#"):
		return "", errors.New(endpointForm + ", without a query or a fragment")
	case u.Path != "" && u.Path != "/":
		return "", errors.New(endpointForm + ", without a path")
	case u.Hostname() == "":
		return "", errors.New(endpointForm + ", with a host")
	case strings.HasSuffix(u.Host, ":"):
		return "", errors.New(endpointForm + ", with a port after the colon")
	}
	if u.Port() == "" {
		return net.JoinHostPort(u.Hostname(), strconv.Itoa(defaultPort)), nil
	}
	if n, err := strconv.ParseUint(u.Port(), 10, 16); err != nil || n == 0 {
		return "", errors.New(endpointForm + ", with a port of 1 to 65535")
	}
	return net.JoinHostPort(u.Hostname(), u.Port()), nil
}
