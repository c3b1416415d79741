package download_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/download"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
)

// rawServer sends a response, whatever it is, to each connection.
func rawServer(t *testing.T, response string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done, content := make(chan struct{}), []byte(response)
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 64<<10))
			_, _ = c.Write(content)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		require.NoError(t, l.Close())
		<-done
	})
	return "http://" + l.Addr().String()
}

// Whatever a server sends, the error is short, and quotes nothing that the server may have copied
// from the request.
func TestErrorsQuoteNoServer(t *testing.T) {
	t.Parallel()
	d := downloader(t, download.Default())
	for name, tt := range map[string]struct {
		response, code string
		retryable      bool
	}{
		"a reason phrase":          {"HTTP/1.1 404 s3cret\r\nContent-Length: 0\r\n\r\n", "DOWNLOAD_HTTP_4XX", false},
		"a long reason phrase":     {"HTTP/1.1 404 " + strings.Repeat("s3cret", 1_500_000) + "\r\nContent-Length: 0\r\n\r\n", "DOWNLOAD_TOO_LARGE", false},
		"a long header":            {"HTTP/1.1 404 x\r\nX: " + strings.Repeat("s3cret", 1_500_000) + "\r\nContent-Length: 0\r\n\r\n", "DOWNLOAD_TOO_LARGE", false},
		"no HTTP":                  {"GET /s3cret HTTP/1.1\r\n\r\n", "DOWNLOAD_NETWORK", true},
		"a status code of letters": {"HTTP/1.1 s3cret x\r\n\r\n", "DOWNLOAD_NETWORK", true},
		"a header without a colon": {"HTTP/1.1 200 OK\r\ns3cret\r\n\r\n", "DOWNLOAD_NETWORK", true},
		"a bad length":             {"HTTP/1.1 200 OK\r\nContent-Length: s3cret\r\n\r\n", "DOWNLOAD_NETWORK", true},
		"a bad transfer encoding":  {"HTTP/1.1 200 OK\r\nTransfer-Encoding: s3cret\r\n\r\n", "DOWNLOAD_NETWORK", true},
		"a bad chunk":              {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\ns3cret\r\n", "DOWNLOAD_NETWORK", true},
		"status 999":               {"HTTP/1.1 999 s3cret\r\nContent-Length: 0\r\n\r\n", "DOWNLOAD_HTTP_STATUS", false},
		"status 600":               {"HTTP/1.1 600 s3cret\r\nContent-Length: 0\r\n\r\n", "DOWNLOAD_HTTP_STATUS", false},
		"an upgrade":               {"HTTP/1.1 101 s3cret\r\nUpgrade: s3cret\r\nConnection: Upgrade\r\n\r\n", "DOWNLOAD_HTTP_STATUS", false},
		"a part of the resource":   {"HTTP/1.1 206 s3cret\r\nContent-Length: 1\r\nContent-Range: bytes 0-0/5\r\n\r\nx", "DOWNLOAD_HTTP_2XX", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := strings.Replace(rawServer(t, tt.response), "//", "//user:s3cret@", 1)
			_, err := d.Fetch(t.Context(), &jobspb.DownloadTask{Url: url + "/a?token=s3cret#s3cret"}, io.Discard)
			var failed *download.Error
			require.ErrorAs(t, err, &failed)
			require.Equal(t, tt.code, failed.Code, "%v", err)
			require.Equal(t, tt.retryable, failed.Retryable, "%v", err)
			for e := err; e != nil; e = errors.Unwrap(e) {
				require.NotContains(t, e.Error(), "s3cret")
				require.Less(t, len(e.Error()), 1100)
			}
		})
	}
}

// A response without end takes no memory.
func TestLongResponseHeadersTakeNoMemory(t *testing.T) {
	d := downloader(t, download.Default())
	url := rawServer(t, "HTTP/1.1 404 "+strings.Repeat("x", 9<<20)+"\r\n\r\n")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 10 {
		_, err := d.Fetch(t.Context(), &jobspb.DownloadTask{Url: url}, io.Discard)
		require.Error(t, err)
	}
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(20<<20))
}

func TestAskedPartIsStored(t *testing.T) {
	t.Parallel()
	url := rawServer(t, "HTTP/1.1 206 x\r\nContent-Length: 1\r\nContent-Range: bytes 0-0/5\r\n\r\nx")
	n, err := downloader(t, download.Default()).Fetch(t.Context(), &jobspb.DownloadTask{
		Url: url, Headers: []*jobspb.HttpHeader{{Name: "range", Value: "bytes=0-0"}},
	}, io.Discard)
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
}

// Tasks for which there is no request fail at once, without their values in the error.
func TestImpossibleTasks(t *testing.T) {
	t.Parallel()
	d := downloader(t, download.Default())
	header := func(name, value string) []*jobspb.HttpHeader {
		return []*jobspb.HttpHeader{{Name: name, Value: value}}
	}
	for name, tt := range map[string]struct {
		task *jobspb.DownloadTask
		code string
	}{
		"header name":     {&jobspb.DownloadTask{Url: "http://127.0.0.1:1/", Headers: header("x y", "s3cret")}, "DOWNLOAD_HEADER"},
		"no header name":  {&jobspb.DownloadTask{Url: "http://127.0.0.1:1/", Headers: header("", "s3cret")}, "DOWNLOAD_HEADER"},
		"header value":    {&jobspb.DownloadTask{Url: "http://127.0.0.1:1/", Headers: header("x", "s3cret\r\n")}, "DOWNLOAD_HEADER"},
		"host":            {&jobspb.DownloadTask{Url: "http://127.0.0.1:1/", Headers: header("host", "s3cret s3cret")}, "DOWNLOAD_HEADER"},
		"long headers":    {&jobspb.DownloadTask{Url: "http://127.0.0.1:1/", Headers: header("x", strings.Repeat("s3cret", 20_000))}, "DOWNLOAD_HEADER"},
		"long URL":        {&jobspb.DownloadTask{Url: "http://127.0.0.1:1/" + strings.Repeat("s3cret", 1_000_000)}, "DOWNLOAD_URL"},
		"password in URL": {&jobspb.DownloadTask{Url: "http://user:s3cret#word@127.0.0.1:1/"}, "DOWNLOAD_URL"},
		"another scheme":  {&jobspb.DownloadTask{Url: "s3cret://127.0.0.1:1/"}, "DOWNLOAD_URL"},
		"no host":         {&jobspb.DownloadTask{Url: "http:///s3cret"}, "DOWNLOAD_URL"},
	} {
		_, err := d.Fetch(t.Context(), tt.task, io.Discard)
		var failed *download.Error
		require.ErrorAs(t, err, &failed, name)
		require.Equal(t, tt.code, failed.Code, name)
		require.False(t, failed.Retryable, name)
		require.Less(t, len(err.Error()), 1100)
		if name != "long URL" && name != "no host" && name != "another scheme" { // there it is the path, or the scheme
			require.NotContains(t, err.Error(), "s3cret", name)
		}
	}
}

func TestLargestLimits(t *testing.T) {
	t.Parallel()
	s := server(t)
	for _, limit := range []config.Bytes{1 << 40, math.MaxInt64} {
		d := downloader(t, download.Config{Timeout: 10 * time.Second, MaxBytes: limit})
		for _, query := range []string{"", "?chunked"} {
			n, err := d.Fetch(t.Context(), &jobspb.DownloadTask{Url: s.URL + "/bytes/100" + query}, io.Discard)
			require.NoError(t, err)
			require.EqualValues(t, 100, n, "%d%s", limit, query)
		}
	}
	valid := download.Default()
	require.NoError(t, valid.Validate())
	for _, change := range []func(*download.Config){
		func(c *download.Config) { c.MaxBytes = math.MaxInt64 },
		func(c *download.Config) { c.MaxBytes = 0 },
		func(c *download.Config) { c.MaxBytes = -1 },
		func(c *download.Config) { c.MaxBytes = 1<<40 + 1 },
		func(c *download.Config) { c.Timeout = 0 },
		func(c *download.Config) { c.Timeout = math.MaxInt64 },
		func(c *download.Config) { c.MaxPerHost = 0 },
		func(c *download.Config) { c.MaxPerHost = math.MaxInt },
		func(c *download.Config) { c.MaxPerJob = 0 },
		func(c *download.Config) { c.HostRate = -1 },
		func(c *download.Config) { c.HostRate = math.MaxInt },
		func(c *download.Config) { c.MaxRetryAfter = 0 },
		func(c *download.Config) { c.MaxRetryAfter = math.MaxInt64 },
	} {
		cfg := download.Default()
		change(&cfg)
		require.Error(t, cfg.Validate(), "%+v", cfg)
	}
	err := download.Config{Timeout: 13 * time.Hour, MaxBytes: 2 << 40}.Validate()
	require.ErrorContains(t, err, "timeout: must be 1ms to 12h0m0s")
	require.ErrorContains(t, err, "max_bytes: must be 1 to 1TiB")
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]time.Duration{
		"7": 7 * time.Second, " 7 ": 7 * time.Second, "0": 0, "": 0, "-7": 0, "1h": 0, "1e3": 0, "7.5": 0, "soon": 0,
		"99999999999999999999": math.MaxInt64, "9999999999": math.MaxInt64, "9223372036": 9223372036 * time.Second,
	} {
		url := rawServer(t, "HTTP/1.1 429 x\r\nContent-Length: 0\r\nRetry-After: "+value+"\r\n\r\n")
		for most, want := range map[time.Duration]time.Duration{0: want, time.Hour: min(want, time.Hour)} {
			cfg := download.Default()
			cfg.MaxRetryAfter = most
			_, err := downloader(t, cfg).Fetch(t.Context(), &jobspb.DownloadTask{Url: url}, io.Discard)
			var failed *download.Error
			require.ErrorAs(t, err, &failed)
			require.Equal(t, want, failed.RetryAfter, "%q", value)
		}
	}
	url := rawServer(t, "HTTP/1.1 503 x\r\nContent-Length: 0\r\nRetry-After: "+time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)+"\r\n\r\n")
	_, err := downloader(t, download.Default()).Fetch(t.Context(), &jobspb.DownloadTask{Url: url}, io.Discard)
	var failed *download.Error
	require.ErrorAs(t, err, &failed)
	require.InDelta(t, time.Hour, failed.RetryAfter, float64(10*time.Second))
}

// The resolver's error for a lack of file descriptors is one of the machine.
func TestResolverWithoutFileDescriptors(t *testing.T) {
	t.Parallel()
	err := download.TransportError(&net.DNSError{Err: "dial udp 127.0.0.1:53: socket: too many open files", Name: "example.com"})
	require.ErrorIs(t, err, syscall.EMFILE)
	require.NotErrorIs(t, download.TransportError(&net.DNSError{Err: "no such host", Name: "example.com"}), syscall.EMFILE)
}

func TestHostOf(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"http://Example.com/a": "example.com:80", "https://example.com/": "example.com:443", "https://u:p@example.com:444?x": "example.com:444",
		"http://[::1]/": "[::1]:80", "": "", "ftp://a/": "", "http://%zz": "",
	} {
		require.Equal(t, want, download.HostOf(&jobspb.DownloadTask{Url: url}), url)
	}
}

func TestConfigurationIsDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../../docs/example.md")
	require.NoError(t, err)
	v := reflect.ValueOf(download.Default())
	for i := range v.NumField() {
		text := fmt.Sprint(v.Field(i).Interface())
		if d, ok := reflect.TypeAssert[time.Duration](v.Field(i)); ok {
			text = strings.NewReplacer("h0m0s", "h", "m0s", "m").Replace(d.String())
		}
		require.Contains(t, string(page), fmt.Sprintf("| `download.%s` | `%s` |", v.Type().Field(i).Tag.Get("yaml"), text))
	}
}
