package jobs

import (
	"errors"
	"fmt"
	"net/url"
	"unicode/utf8"

	"golang.org/x/net/http/httpguts"

	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
)

// CodeValidation is the failure code of a FieldError.
const CodeValidation = "VALIDATION_MESSAGE"

// maxKey is the largest size of a partition key, and so of a job id, in bytes.
const maxKey = 255

// FieldError is an invalid field of a message. Its failure code is CodeValidation.
type FieldError struct {
	// Message is the type of the message, "DownloadTask" for example.
	Message string
	// Field is the field's name in the proto file.
	Field string
	// Rule is the rule that the field breaks.
	Rule string
}

// Error returns the message, the field and the rule, without the value.
func (e *FieldError) Error() string {
	return fmt.Sprintf("jobs: %s.%s: %s", e.Message, e.Field, e.Rule)
}

// FailureCode returns CodeValidation.
func (e *FieldError) FailureCode() string { return CodeValidation }

// faults collects the field errors of one message.
type faults struct {
	message string
	errs    []error
}

func (f *faults) check(ok bool, field, rule string) {
	if !ok {
		f.errs = append(f.errs, &FieldError{Message: f.message, Field: field, Rule: rule})
	}
}

// id checks the id of a job, which is the key of the job's messages.
func (f *faults) id(field, value string) {
	f.check(value != "", field, "must not be empty")
	f.check(len(value) <= maxKey, field, "must have at most 255 bytes")
	f.text(field, value)
}

func (f *faults) text(field, value string) {
	f.check(utf8.ValidString(value), field, "must be valid UTF-8")
}

func (f *faults) time(field string, ms uint64) {
	f.check(ms <= maxTimeMs, field, "must be in milliseconds, and not after the year 9999")
}

func (f *faults) traceID(value string) {
	f.check(value == "" || IsTraceID(value), "trace_id", "must be 32 lower case hexadecimal digits, not all zero")
}

// ValidateTask checks that a task has a job id of at most 255 bytes, a resource id, an http or
// https URL with a host, headers that HTTP allows, and a valid W3C trace id or none. It joins all
// faults, each a *FieldError.
func ValidateTask(task *jobspb.DownloadTask) error {
	if task == nil {
		return &FieldError{Message: "DownloadTask", Field: "job_id", Rule: "the message is nil"}
	}
	f := faults{message: "DownloadTask"}
	f.id("job_id", task.GetJobId())
	f.check(task.GetResourceId() != "", "resource_id", "must not be empty")
	f.text("resource_id", task.GetResourceId())
	f.check(isHTTPURL(task.GetUrl()), "url", "must be an http or https URL with a host")
	for _, h := range task.GetHeaders() {
		if !httpguts.ValidHeaderFieldName(h.GetName()) || !httpguts.ValidHeaderFieldValue(h.GetValue()) {
			f.check(false, "headers", "every header must have a name and a value that HTTP allows")
			break
		}
	}
	f.traceID(task.GetTraceId())
	return errors.Join(f.errs...)
}

// ValidateStatus checks that a status has a job id, a known state, not more completed and failed
// resources than it has resources, and a timestamp until the year 9999. It joins all faults, each a
// *FieldError.
func ValidateStatus(status *jobspb.JobStatus) error {
	if status == nil {
		return &FieldError{Message: "JobStatus", Field: "job_id", Rule: "the message is nil"}
	}
	f := faults{message: "JobStatus"}
	f.id("job_id", status.GetJobId())
	_, known := jobspb.JobState_name[int32(status.GetState())]
	f.check(known && status.GetState() != jobspb.JobState_JOB_STATE_UNKNOWN, "state", "must be a known state")
	finished := uint64(status.GetResourcesCompleted()) + uint64(status.GetResourcesFailed())
	f.check(status.GetResourcesTotal() == 0 || finished <= uint64(status.GetResourcesTotal()),
		"resources_total", "must not be less than resources_completed and resources_failed together")
	f.time("timestamp_ms", status.GetTimestampMs())
	return errors.Join(f.errs...)
}

// ValidateLog checks that a log entry has a job id, a message, a known level and a timestamp until the
// year 9999. It joins all faults, each a *FieldError.
func ValidateLog(log *jobspb.JobLog) error {
	if log == nil {
		return &FieldError{Message: "JobLog", Field: "job_id", Rule: "the message is nil"}
	}
	f := faults{message: "JobLog"}
	f.id("job_id", log.GetJobId())
	f.check(log.GetMessage() != "", "message", "must not be empty")
	_, known := jobspb.LogLevel_name[int32(log.GetLevel())]
	f.check(known, "level", "must be a known level")
	f.time("timestamp_ms", log.GetTimestampMs())
	f.traceID(log.GetTraceId())
	return errors.Join(f.errs...)
}

// ValidateDeadLetter checks that a dead letter has a task, a failure code and a time until the year
// 9999. It does not check the task. It joins all faults, each a *FieldError.
func ValidateDeadLetter(letter *jobspb.DeadLetterTask) error {
	if letter == nil {
		return &FieldError{Message: "DeadLetterTask", Field: "task", Rule: "the message is nil"}
	}
	f := faults{message: "DeadLetterTask"}
	f.check(letter.GetTask() != nil, "task", "must be set")
	f.check(letter.GetFailureCode() != "", "failure_code", "must not be empty")
	f.time("failed_at_ms", letter.GetFailedAtMs())
	return errors.Join(f.errs...)
}

func isHTTPURL(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != ""
}

// IsTraceID reports whether s is a W3C trace id: 32 lower case hexadecimal digits that are not all
// zero.
func IsTraceID(s string) bool {
	if len(s) != 32 {
		return false
	}
	zero := true
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
		zero = zero && c == '0'
	}
	return !zero
}
