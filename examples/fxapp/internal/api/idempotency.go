package api

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
)

// idempotencyHeader makes a repeated request the same job. It is optional. IETF draft
// draft-ietf-httpapi-idempotency-key-header.
const idempotencyHeader = "Idempotency-Key"

const maxIdempotencyKey = 255

// submission is a job that is being submitted.
type submission struct {
	job    store.Job
	key    string // the idempotency key, empty without one
	digest string
}

// newSubmission returns the submission of a manifest, as the job with the given id.
func newSubmission(r *http.Request, job store.Job, manifest []byte) (*submission, error) {
	key := strings.TrimSpace(r.Header.Get(idempotencyHeader))
	if len(key) > maxIdempotencyKey || strings.ContainsFunc(key, func(c rune) bool { return c < ' ' || c > '~' }) {
		return nil, invalidPayload("the header %s must have at most %d visible ASCII characters", idempotencyHeader, maxIdempotencyKey)
	}
	if key == "" {
		return &submission{job: job}, nil
	}
	sum := sha256.New()
	_, _ = io.WriteString(sum, job.Type+"\n")
	_, _ = sum.Write(manifest)
	return &submission{job: job, key: key, digest: hex.EncodeToString(sum.Sum(nil))}, nil
}

// claim claims the key of a submission for its job. It returns true when a job was accepted with the
// key before: the submission then is that job, and must not be published. When an earlier submission
// ended without a result, because its process crashed, the job is published again.
func (a *API) claim(s *submission) (accepted bool, err error) {
	if s.key == "" {
		return false, nil
	}
	mine := store.Key{JobID: s.job.ID, Digest: s.digest, At: time.Now().UTC()}
	existing, created, err := a.Store.CreateKey(s.key, mine)
	switch {
	case err != nil:
		return false, unavailable("the idempotency key could not be stored", err)
	case created:
		return false, nil
	case existing.Digest != s.digest:
		return false, &httpError{
			status: http.StatusUnprocessableEntity, code: codeKeyReused,
			message: "the idempotency key belongs to another job type or manifest",
		}
	case existing.Accepted:
		s.job.ID = existing.JobID
		return true, nil
	case time.Since(existing.At) < a.PublishTimeout+responseTimeout:
		return false, &httpError{
			status: http.StatusConflict, code: codeConflict,
			message: "a job with this idempotency key is being submitted",
		}
	}
	former := store.Job{Type: s.job.Type, ID: existing.JobID}
	canceled, err := a.Store.IsCanceled(former)
	if err == nil && !canceled {
		s.job, mine.JobID = former, former.ID // its resources that are done stay done
	}
	if err == nil {
		err = a.Store.PutKey(s.key, mine)
	}
	if err != nil {
		return false, unavailable("the idempotency key could not be stored", err)
	}
	return false, nil
}

// confirm keeps that the job of a submission was accepted.
func (a *API) confirm(s *submission) {
	if s.key == "" {
		return
	}
	err := a.Store.PutKey(s.key, store.Key{JobID: s.job.ID, Digest: s.digest, At: time.Now().UTC(), Accepted: true})
	if err != nil {
		a.Log.Error("idempotency key of accepted job not stored", zap.String("job_id", s.job.ID), zap.Error(err))
	}
}

// release makes the key of a refused job free.
func (a *API) release(s *submission) {
	if s.key == "" {
		return
	}
	if err := a.Store.RemoveKey(s.key); err != nil {
		a.Log.Error("idempotency key of refused job not removed", zap.String("job_id", s.job.ID), zap.Error(err))
	}
}
