package manifest_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/manifest"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
)

func TestTasks(t *testing.T) {
	t.Parallel()
	m, err := manifest.Parse([]byte(`{
		"manifest_version": "v1", "metadata": {"tenant": "acme", "n": 1}, "attributes": {"priority": 3},
		"resources": [
			{"id": "a", "url": "http://example.com/a", "headers": {"X-B": "2", "Accept": "*/*"}, "tags": {"k": "v"}},
			{"id": "b", "url": "http://example.com/b"}
		]}`))
	require.NoError(t, err)
	tasks := m.Tasks(manifest.Job{ID: "j", Type: "images", ManifestKey: "manifests/images/j.json", TraceID: "4bf92f3577b34da6a3ce929d0e0e4736"})
	require.Len(t, tasks, 2)
	require.True(t, proto.Equal(&jobspb.DownloadTask{
		JobId: "j", JobType: "images", ResourceId: "a", Url: "http://example.com/a",
		Headers:     []*jobspb.HttpHeader{{Name: "accept", Value: "*/*"}, {Name: "x-b", Value: "2"}},
		Attributes:  &jobspb.TaskAttributes{Tags: map[string]string{"k": "v"}, Extra: []byte(`{"priority":3}`)},
		ManifestKey: "manifests/images/j.json", Tenant: "acme", TraceId: "4bf92f3577b34da6a3ce929d0e0e4736",
	}, tasks[0]), "%v", tasks[0])
	require.Equal(t, "b", tasks[1].GetResourceId())
}
