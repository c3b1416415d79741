package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// fileServer serves resources and counts the requests for each.
type fileServer struct {
	*httptest.Server
	mu       sync.Mutex
	requests map[string]int
	found    bool // missing resources exist by now
	// hold, when it is set, returns a channel that the response waits for.
	hold func(name string) <-chan struct{}
}

func startFileServer(t *testing.T) *fileServer {
	t.Helper()
	f := &fileServer{requests: map[string]int{}}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/")
		f.mu.Lock()
		f.requests[name]++
		hold, found := f.hold, f.found
		f.mu.Unlock()
		if hold != nil {
			select {
			case <-hold(name):
			case <-r.Context().Done():
				return
			}
		}
		if strings.HasPrefix(name, "busy") && f.requestCounts()[name] == 1 {
			w.Header().Set("Retry-After", "2")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		if strings.HasPrefix(name, "missing") && !found {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(fileContent(name))
	}))
	t.Cleanup(f.Close)
	return f
}

// fileContent returns the content of a file. The size depends on the name.
func fileContent(name string) []byte {
	return bytes.Repeat([]byte(name+"\n"), 1+len(name)*int(name[len(name)-1])%997)
}

func (f *fileServer) requestCounts() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	counts := make(map[string]int, len(f.requests))
	maps.Copy(counts, f.requests)
	return counts
}

// setFound makes missing resources exist.
func (f *fileServer) setFound() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.found = true
}

func (f *fileServer) setHold(hold func(name string) <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hold = hold
}

// manifest returns a manifest with n resources that exist and m that do not.
func (f *fileServer) manifest(n, m int) []byte {
	type resource struct {
		ID  string `json:"id"`
		URL string `json:"url"`
	}
	var resources []resource
	for i := range n {
		resources = append(resources, resource{fmt.Sprintf("f%d", i), fmt.Sprintf("%s/f%d", f.URL, i)})
	}
	for i := range m {
		resources = append(resources, resource{fmt.Sprintf("missing%d", i), fmt.Sprintf("%s/missing%d", f.URL, i)})
	}
	b, _ := json.Marshal(map[string]any{"manifest_version": "v1", "metadata": map[string]any{}, "resources": resources})
	return b
}
