package manifest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/manifest"
	"github.com/fetchbox/fetchbox-iggy/jobs"
)

func with(resources string) string {
	return `{"manifest_version": "v1", "metadata": {}, "resources": ` + resources + `}`
}

func many(n int) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprintf(`{"id": "r%d", "url": "http://example.com/%d"}`, i, i)
	}
	return with("[" + strings.Join(parts, ",") + "]")
}

func headers(n int, value string) string {
	h := map[string]string{}
	for i := range n {
		h[fmt.Sprintf("x-%d", i)] = value
	}
	b, _ := json.Marshal(h)
	return with(`[{"id": "a", "url": "http://example.com/", "headers": ` + string(b) + `}]`)
}

func attributes(resources, n int) string {
	return strings.Replace(many(resources), `"metadata"`, `"attributes": {"a": "`+strings.Repeat("x", n)+`"}, "metadata"`, 1)
}

// nested is a manifest whose objects and arrays are nested to a depth.
func nested(depth int) string {
	inner := strings.Repeat("[", depth-2) + strings.Repeat("]", depth-2)
	return strings.Replace(many(1), `"metadata": {}`, `"metadata": {"a": `+inner+`}`, 1)
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body string
		want       []string // parts of the error; none: it is valid
	}{
		{"one resource", many(1), nil},
		{"1,000 resources", many(1000), nil},
		{"10 headers of 1 KB", headers(10, strings.Repeat("v", 1021)), nil},
		{"id of 128 characters", with(`[{"id": "` + strings.Repeat("é", 128) + `", "url": "https://example.com"}]`), nil},
		{"id with path traversal", with(`[{"id": "../../etc/passwd", "url": "https://example.com"}]`), nil},

		{"100 levels", nested(100), nil},
		{"brackets in a text", strings.Replace(many(1), `"metadata": {}`, `"metadata": {"a": "`+strings.Repeat(`[{\"\\`, 200)+`"}`, 1), nil},
		{"URL of 16 KiB", with(`[{"id": "a", "url": "http://a/` + strings.Repeat("x", 16<<10-9) + `"}]`), nil},
		{"characters of HTML in the attributes", strings.Replace(many(1), `"metadata"`, `"attributes": {"a": "`+strings.Repeat("<", 4_900_000)+`"}, "metadata"`, 1), nil},

		{"101 levels", nested(101), []string{"nested deeper than 100"}},
		{"10,000 levels", nested(10_000), []string{"nested deeper than 100"}},
		{"10,001 levels", nested(10_001), []string{"nested deeper than 100"}},
		{"URL of more than 16 KiB", with(`[{"id": "a", "url": "http://a/` + strings.Repeat("x", 16<<10-8) + `"}]`), []string{"resources[0].url: must have at most 16384 bytes"}},
		{"attributes for one resource", attributes(1, 1_000_000), nil},
		{"attributes for 1,000 resources", attributes(1000, 15_000), nil},

		{"attributes too large for the number of resources", attributes(1000, 4_000_000), []string{"attributes: must have at most 16000 bytes with 1000 resources"}},
		{"a long tenant", strings.Replace(many(1), `"metadata": {}`, `"metadata": {"tenant": "`+strings.Repeat("t", 1025)+`"}`, 1), []string{"metadata.tenant"}},
		{"nothing", "", []string{"empty"}},
		{"not JSON", "hello", []string{"not valid"}},
		{"truncated", many(3)[:50], []string{"is incomplete"}},
		{"two documents", many(1) + many(1), []string{"followed by other data"}},
		{"a list", "[]", []string{"must be a JSON object"}},
		{"null", "null", []string{"manifest_version", "metadata", "resources"}},
		{"not UTF-8", with(`[{"id": "` + "\xff" + `"}]`), []string{"line 1: resources[0].id: not valid JSON: invalid UTF-8"}},
		{"an unknown key", `{"manifest_version": "v1", "metadata": {}, "resource": []}`, []string{"line 1: resource: unknown key"}},
		{"another version", strings.Replace(many(1), "v1", "v2", 1), []string{`manifest_version: must be "v1"`}},
		{"no metadata", strings.Replace(many(1), `"metadata": {}, `, "", 1), []string{"metadata"}},
		{"metadata a list", strings.Replace(many(1), `"metadata": {}`, `"metadata": []`, 1), []string{"metadata"}},
		{"no resource", with("[]"), []string{"resources: must be 1 to 1000, not 0"}},
		{"1,001 resources", many(1001), []string{"resources: must be 1 to 1000, not 1001"}},
		{"no id", with(`[{"url": "http://example.com"}]`), []string{"resources[0].id"}},
		{"the same id", with(`[{"id": "a", "url": "http://a"}, {"id": "a", "url": "http://b"}]`), []string{"resources[1].id: is the same as that of resources[0]"}},
		{"id of 129 characters", with(`[{"id": "` + strings.Repeat("é", 129) + `", "url": "http://a"}]`), []string{"resources[0].id"}},
		{"no URL", with(`[{"id": "a"}]`), []string{"resources[0].url"}},
		{"ftp", with(`[{"id": "a", "url": "ftp://example.com"}]`), []string{"resources[0].url"}},
		{"relative URL", with(`[{"id": "a", "url": "/a"}]`), []string{"resources[0].url"}},
		{"11 headers", headers(11, "v"), []string{"resources[0].headers: must be at most 10, not 11"}},
		{"a header over 1 KB", headers(1, strings.Repeat("v", 1022)), []string{"1024 bytes"}},
		{"a header with a line break", headers(1, "a\r\nb"), []string{"forbids"}},
		{"a header name with a space", with(`[{"id": "a", "url": "http://a", "headers": {"a b": "c"}}]`), []string{"token"}},
		{"a header twice", with(`[{"id": "a", "url": "http://a", "headers": {"A": "1", "a": "2"}}]`), []string{"duplicate"}},
		{"a key twice", "{\"manifest_version\": \"v1\", \"metadata\": {},\n\"resources\": [{\"id\": \"a\", \"url\": \"http://a\"}],\n\"resources\": [{\"id\": \"b\"}]}", []string{"line 3: resources: duplicate key"}},
		{"a key twice in another case", "{\"manifest_version\": \"v1\", \"metadata\": {},\n\"resources\": [{\"id\": \"a\", \"url\": \"http://a\"}],\n\"Resources\": [{\"id\": \"b\"}]}", []string{"line 3: Resources: duplicate key"}},
		{"a key of a resource twice", with("[\n{\"id\": \"a\", \"url\": \"http://a\"},\n{\"id\": \"b\", \"url\": \"http://b\",\n\"url\": \"http://c\"}]"), []string{"line 4: resources[1].url: duplicate key"}},
		{"a key of the metadata twice", strings.Replace(many(1), `"metadata": {}`, `"metadata": {"a": {"b": 1, "b": 2}}`, 1), []string{"line 1: metadata.a.b: duplicate key"}},
		{"an array", "[]", []string{"the manifest must be a JSON object, not a JSON array"}},
		{"a wrong type", with("[{\"id\": \"a\", \"url\": \"http://a\"},\n{\"id\": \"b\", \"url\": 7}]"), []string{"line 2: resources[1].url: must not be a JSON number"}},
		{"a broken rule in a line", with("[{\"id\": \"a\", \"url\": \"http://a\"},\n\n{\"id\": \"b\"}]"), []string{"line 3: resources[1].url"}},
		{"a missing comma", with("[{\"id\": \"a\", \"url\": \"http://a\"}\n{\"id\": \"b\"}]"), []string{"line 2: resources"}},
		{"several faults", with(`[{"id": "", "url": ""}, {"id": "a", "url": "x"}]`), []string{"resources[0].id", "resources[0].url", "resources[1].url"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, err := manifest.Parse([]byte(tt.body))
			if tt.want == nil {
				require.NoError(t, err)
				for _, task := range m.Tasks(manifest.Job{ID: "j", Type: "t"}) {
					require.Less(t, proto.Size(task), 10_000_000, "each task can be published")
					require.NoError(t, jobs.ValidateTask(task), "each task of a valid manifest is valid")
				}
				return
			}
			require.Error(t, err)
			for _, part := range tt.want {
				require.ErrorContains(t, err, part)
			}
		})
	}
}

func TestParseLimitsNumberOfErrors(t *testing.T) {
	t.Parallel()
	_, err := manifest.Parse([]byte(with("[" + strings.Repeat(`{"id":"","url":""},`, 999) + `{"id":"","url":""}]`)))
	require.Error(t, err)
	require.Len(t, strings.Split(err.Error(), "\n"), 10)
}

// A long text of the manifest is not repeated in an error.
func TestErrorsAreShort(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1_000_000)
	for _, body := range []string{
		`{"` + long + `": 1}`, `{"metadata": {"` + long + `": 1, "` + long + `": 2}}`,
		headers(0, "") + long, with(`[{"id": "a", "url": "http://a", "headers": {"` + long + `": ""}}]`),
		`{"metadata": ` + strings.Repeat(`{"`+strings.Repeat("k", 1000)+`": `, 1000) + "}",
	} {
		_, err := manifest.Parse([]byte(body))
		require.Error(t, err)
		require.Less(t, len(err.Error()), 2000)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(many(2)))
	f.Add([]byte(headers(2, "v")))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := manifest.Parse(body)
		if err != nil {
			return
		}
		for _, task := range m.Tasks(manifest.Job{ID: "j", Type: "t"}) {
			if err := jobs.ValidateTask(task); err != nil {
				t.Fatal(err)
			}
		}
	})
}
