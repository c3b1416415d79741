package producer_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func TestRefusedMessages(t *testing.T) {
	t.Parallel()
	long := string(make([]byte, 256))
	for name, tt := range map[string]struct {
		change func(*producer.Message)
		want   error
		text   string
	}{
		"empty payload":     {func(r *producer.Message) { r.Payload = nil }, iggyerr.ErrEmptyPayload, "s/t"},
		"payload too large": {func(r *producer.Message) { r.Payload = make([]byte, iggyerr.MaxPayloadBytes+1) }, iggyerr.ErrTooLarge, "10000000"},
		"key too long":      {func(r *producer.Message) { r.Key = long }, iggyerr.ErrTooLarge, "255"},
		"header key":        {func(r *producer.Message) { r.Headers = []topic.Header{{Key: long, Value: "v"}} }, iggyerr.ErrTooLarge, "255"},
		"header value":      {func(r *producer.Message) { r.Headers = []topic.Header{{Key: "k", Value: long}} }, iggyerr.ErrTooLarge, `"k"`},
		"empty header":      {func(r *producer.Message) { r.Headers = []topic.Header{{Key: "k"}} }, nil, `"k"`},
		"headers too large": {func(r *producer.Message) {
			for range 1000 {
				r.Headers = append(r.Headers, topic.Header{Key: "key", Value: long[:200]})
			}
		}, iggyerr.ErrTooLarge, "100000"},
		"unknown topic":     {func(r *producer.Message) { r.Topic = "nowhere" }, iggyerr.ErrNotFound, "s/nowhere"},
		"unknown partition": {func(r *producer.Message) { r.Partition = producer.OnPartition(9) }, iggyerr.ErrNotFound, "partition 9 of s/t, which has 4"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
				r := message("k", "x")
				tt.change(&r)
				_, err := p.Send(t.Context(), r)
				var failure *producer.SendError
				require.ErrorAs(t, err, &failure)
				require.Equal(t, producer.Failed, failure.Outcome)
				require.Zero(t, failure.Attempts)
				require.ErrorContains(t, err, tt.text)
				if tt.want != nil {
					require.ErrorIs(t, err, tt.want)
				}
				got := make(outcomes, 1)
				p.SendAsync(t.Context(), r, func(r producer.Result) { got <- r })
				require.Equal(t, producer.Failed, got.wait(t, 1)[0].Outcome)
				require.Zero(t, s.count(&s.requests), "nothing was sent")
				require.Zero(t, p.Status().BufferedBytes)
				require.EqualValues(t, 2, p.Status().Failed)
			})
		})
	}
}
