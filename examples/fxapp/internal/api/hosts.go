package api

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/bounded"
)

// KnownHosts serves requests only for the hosts of this machine's loopback interface and for the
// given ones: host names or addresses without ports, or "*" for all. A name that an attacker's DNS
// server resolves to this process is none of them, so that a page of that name cannot read or write
// here. Requests that change something must not come from a page of another origin.
//
// Probes and metrics are served for every host: kubelets and Prometheus address a process by what
// its platform calls it.
func KnownHosts(hosts []string, next http.Handler) http.Handler {
	origins := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isProbe(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		if !isKnownHost(r.Host, hosts) {
			writeError(w, &httpError{
				status: http.StatusForbidden, code: codeForbidden,
				message: fmt.Sprintf("the host %q is not known: name it in server.hosts", bounded.Text(r.Host, maxQuoted)),
			})
			return
		}
		if err := origins.Check(r); err != nil {
			writeError(w, &httpError{
				status: http.StatusForbidden, code: codeForbidden, message: "the request comes from a page of another origin",
			})
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isProbe(path string) bool {
	return path == "/metrics" || strings.HasPrefix(path, "/health/")
}

// isKnownHost reports whether a Host header names the loopback interface or one of the known hosts.
func isKnownHost(host string, known []string) bool {
	if slices.Contains(known, "*") {
		return true
	}
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.ToLower(strings.Trim(name, "[]")), ".")
	if IsLoopback(name) {
		return true
	}
	return slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(strings.Trim(k, "[]"), name) })
}

// IsLoopback reports whether a host name or address is that of the loopback interface.
func IsLoopback(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}
