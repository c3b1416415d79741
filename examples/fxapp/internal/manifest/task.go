package manifest

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
)

// Job holds the fields that all tasks of a job share.
type Job struct {
	ID, Type, ManifestKey, TraceID string
}

// encodedAttributes returns the attributes as JSON, nil when there are none.
func (m *Manifest) encodedAttributes() []byte {
	if len(m.Attributes) == 0 {
		return nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)     // the size stays what it was
	_ = e.Encode(m.Attributes) // of RawMessages that were decoded before
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'})
}

// Tasks returns the job's download tasks, one for each resource, in the order of the manifest. Each
// task carries the manifest's attributes as JSON.
func (m *Manifest) Tasks(job Job) []*jobspb.DownloadTask {
	extra := m.encodedAttributes()
	tenant := m.Tenant()
	tasks := make([]*jobspb.DownloadTask, len(m.Resources))
	for i, r := range m.Resources {
		task := &jobspb.DownloadTask{
			JobId: job.ID, JobType: job.Type, ResourceId: r.ID, Url: r.URL,
			ManifestKey: job.ManifestKey, Tenant: tenant, TraceId: job.TraceID,
		}
		if len(r.Tags) > 0 || extra != nil {
			task.Attributes = &jobspb.TaskAttributes{Tags: r.Tags, Extra: extra}
		}
		for name, value := range r.Headers {
			task.Headers = append(task.Headers, &jobspb.HttpHeader{Name: strings.ToLower(name), Value: value})
		}
		slices.SortFunc(task.Headers, func(a, b *jobspb.HttpHeader) int {
			return strings.Compare(a.Name, b.Name)
		})
		tasks[i] = task
	}
	return tasks
}
