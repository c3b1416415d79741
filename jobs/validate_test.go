package jobs_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func validTask() *jobspb.DownloadTask {
	return &jobspb.DownloadTask{
		JobId: "job-1", JobType: "images", ResourceId: "r-1", Url: "https://example.com/a.png",
		Headers: []*jobspb.HttpHeader{{Name: "accept", Value: "*/*"}},
		TraceId: "4bf92f3577b34da6a3ce929d0e0e4736",
	}
}

func TestValidateTask(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*jobspb.DownloadTask)
		fields []string
	}{
		{"valid", func(*jobspb.DownloadTask) {}, nil},
		{"without a trace id", func(m *jobspb.DownloadTask) { m.TraceId = "" }, nil},
		{"job id of 255 bytes", func(m *jobspb.DownloadTask) { m.JobId = strings.Repeat("j", 255) }, nil},
		{"no job id", func(m *jobspb.DownloadTask) { m.JobId = "" }, []string{"job_id"}},
		{"job id of 256 bytes", func(m *jobspb.DownloadTask) { m.JobId = strings.Repeat("j", 256) }, []string{"job_id"}},
		{"job id not UTF-8", func(m *jobspb.DownloadTask) { m.JobId = "\xff" }, []string{"job_id"}},
		{"no resource id", func(m *jobspb.DownloadTask) { m.ResourceId = "" }, []string{"resource_id"}},
		{"no URL", func(m *jobspb.DownloadTask) { m.Url = "" }, []string{"url"}},
		{"ftp", func(m *jobspb.DownloadTask) { m.Url = "ftp://example.com/a" }, []string{"url"}},
		{"no host", func(m *jobspb.DownloadTask) { m.Url = "http:///a" }, []string{"url"}},
		{"header name with a space", func(m *jobspb.DownloadTask) { m.Headers[0].Name = "x y" }, []string{"headers"}},
		{"header value with a line break", func(m *jobspb.DownloadTask) { m.Headers[0].Value = "a\r\nb: c" }, []string{"headers"}},
		{"header without a name", func(m *jobspb.DownloadTask) { m.Headers[0].Name = "" }, []string{"headers"}},
		{"short trace id", func(m *jobspb.DownloadTask) { m.TraceId = "4bf9" }, []string{"trace_id"}},
		{"upper case trace id", func(m *jobspb.DownloadTask) { m.TraceId = strings.ToUpper(m.TraceId) }, []string{"trace_id"}},
		{"trace id of zeros", func(m *jobspb.DownloadTask) { m.TraceId = strings.Repeat("0", 32) }, []string{"trace_id"}},
		{
			"everything at once",
			func(m *jobspb.DownloadTask) { proto.Reset(m) },
			[]string{"job_id", "resource_id", "url"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			task := validTask()
			tt.change(task)
			requireFields(t, jobs.ValidateTask(task), "DownloadTask", tt.fields)
		})
	}
	requireFields(t, jobs.ValidateTask(nil), "DownloadTask", []string{"job_id"})
}

func TestValidateStatus(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		status *jobspb.JobStatus
		fields []string
	}{
		{"valid", &jobspb.JobStatus{JobId: "j", State: jobspb.JobState_JOB_STATE_PARTIAL, ResourcesTotal: 3, ResourcesCompleted: 2, ResourcesFailed: 1}, nil},
		{"unknown total", &jobspb.JobStatus{JobId: "j", State: jobspb.JobState_JOB_STATE_IN_PROGRESS, ResourcesCompleted: 2}, nil},
		{"end of the year 9999", &jobspb.JobStatus{JobId: "j", State: jobspb.JobState_JOB_STATE_QUEUED, TimestampMs: 253402300799999}, nil},
		{"year 10000", &jobspb.JobStatus{JobId: "j", State: jobspb.JobState_JOB_STATE_QUEUED, TimestampMs: 253402300800000}, []string{"timestamp_ms"}},
		{"nanoseconds", &jobspb.JobStatus{JobId: "j", State: jobspb.JobState_JOB_STATE_QUEUED, TimestampMs: 1_764_000_000_000_000_000}, []string{"timestamp_ms"}},
		{"nil", nil, []string{"job_id"}},
		{"empty", &jobspb.JobStatus{}, []string{"job_id", "state"}},
		{"state from the future", &jobspb.JobStatus{JobId: "j", State: 99}, []string{"state"}},
		{
			"more finished than there are",
			&jobspb.JobStatus{JobId: "j", State: jobspb.JobState_JOB_STATE_PARTIAL, ResourcesTotal: 2, ResourcesCompleted: 2, ResourcesFailed: 1},
			[]string{"resources_total"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			requireFields(t, jobs.ValidateStatus(tt.status), "JobStatus", tt.fields)
		})
	}
}

func TestValidateLog(t *testing.T) {
	t.Parallel()
	requireFields(t, jobs.ValidateLog(&jobspb.JobLog{JobId: "j", Message: "m"}), "JobLog", nil)
	requireFields(t, jobs.ValidateLog(nil), "JobLog", []string{"job_id"})
	requireFields(t, jobs.ValidateLog(&jobspb.JobLog{JobId: "j", Message: "m", TimestampMs: 1_764_000_000_000_000}), "JobLog", []string{"timestamp_ms"})
	requireFields(t, jobs.ValidateLog(&jobspb.JobLog{Level: 9, TraceId: "x"}), "JobLog", []string{"job_id", "message", "level", "trace_id"})
}

func TestValidateDeadLetter(t *testing.T) {
	t.Parallel()
	requireFields(t, jobs.ValidateDeadLetter(&jobspb.DeadLetterTask{Task: &jobspb.DownloadTask{}, FailureCode: "X"}), "DeadLetterTask", nil)
	requireFields(t, jobs.ValidateDeadLetter(nil), "DeadLetterTask", []string{"task"})
	requireFields(t, jobs.ValidateDeadLetter(&jobspb.DeadLetterTask{Task: &jobspb.DownloadTask{}, FailureCode: "X", FailedAtMs: math.MaxUint64}), "DeadLetterTask", []string{"failed_at_ms"})
	requireFields(t, jobs.ValidateDeadLetter(&jobspb.DeadLetterTask{}), "DeadLetterTask", []string{"task", "failure_code"})
}

// requireFields checks that err is about exactly these fields, in order, and carries the failure
// code of validation.
func requireFields(t *testing.T, err error, message string, fields []string) {
	t.Helper()
	if fields == nil {
		require.NoError(t, err)
		return
	}
	require.Error(t, err)
	require.Equal(t, jobs.CodeValidation, topic.CodeOf(err))
	errs := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		errs = joined.Unwrap()
	}
	var got []string
	for _, err := range errs {
		var field *jobs.FieldError
		require.ErrorAs(t, err, &field, "%v", err)
		require.Equal(t, message, field.Message)
		got = append(got, field.Field)
	}
	require.Equal(t, fields, got)
}
