package fxiggy_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/dig"
	"go.uber.org/fx"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// With another name, or without one, the sink would be ignored and failed messages would be
// skipped.
func TestDeadLettersThatNoConsumerUsesAreAnError(t *testing.T) {
	t.Parallel()
	sinkNamed := func(name string) fx.Option {
		provide := func() consumer.DeadLetters[Order] { return orderSink(nil) }
		if name == "" {
			return fx.Provide(provide)
		}
		return fx.Provide(fx.Annotate(provide, fx.ResultTags(`name:"`+name+`"`)))
	}
	const typ = "consumer.DeadLetters[github.com/fetchbox/fetchbox-iggy/fxiggy_test.Order]"
	for name, tt := range map[string]struct {
		options []fx.Option
		want    []string // in the error, none for no error
	}{
		"without the cluster's name": {
			[]fx.Option{fxiggy.Consume(Orders, "billing", fxiggy.On("eu")), sinkNamed("")},
			[]string{typ + " without a name", "consumer eu.billing uses " + typ + ` name:"eu"`},
		},
		"with a name for a consumer that has none": {
			[]fx.Option{fxiggy.Consume(Orders, "billing"), sinkNamed("eu")},
			[]string{typ + ` name:"eu"`, "consumer billing uses " + typ + " without a name"},
		},
		"with a name that is misspelled": {
			[]fx.Option{fxiggy.Consume(Orders, "billing", fxiggy.As("billing")), sinkNamed("biling")},
			[]string{typ + ` name:"biling"`, "consumer billing uses " + typ + ` name:"billing"`},
		},
		"one too many": {
			[]fx.Option{fxiggy.Consume(Orders, "billing", fxiggy.On("eu")), sinkNamed("eu"), sinkNamed("")},
			[]string{typ + " without a name"},
		},
		"for FetchBox's tasks": {
			[]fx.Option{fx.Provide(fx.Annotate(func() consumer.DeadLetters[*jobspb.DownloadTask] { return sink(nil) }, fx.ResultTags(`name:"us"`)))},
			[]string{`name:"us"`, "consumer tasks uses", "consumer eu.tasks uses"},
		},
		"as it should be":        {[]fx.Option{fxiggy.Consume(Orders, "billing", fxiggy.On("eu")), sinkNamed("eu")}, nil},
		"without a name":         {[]fx.Option{fxiggy.Consume(Orders, "billing"), sinkNamed("")}, nil},
		"of another use":         {[]fx.Option{sinkNamed("")}, nil},
		"that a decorator needs": {[]fx.Option{fxiggy.Consume(Orders, "billing"), sinkNamed("inner"), fx.Provide(fx.Annotate(func(d consumer.DeadLetters[Order]) consumer.DeadLetters[Order] { return d }, fx.ParamTags(`name:"inner"`)))}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			section := "\nclusters: {eu: {iggy: {client_id: iggy, client_secret: iggy}}}\n"
			err := fx.New(append(tt.options, quiet, fxiggy.Module, fxiggy.Named("eu"), configured(offline+section), fx.Invoke(func(*jobs.Publisher) {}))...).Err()
			if tt.want == nil {
				require.NoError(t, err)
				return
			}
			for _, part := range tt.want {
				require.ErrorContains(t, dig.RootCause(err), part)
			}
		})
	}
}

func TestAStartSaysWhereFailedMessagesGo(t *testing.T) {
	t.Parallel()
	srv := server(t)
	core, logs := observer.New(zapcore.InfoLevel)
	start(t, configured(yaml(srv)), fx.Supply(zap.New(core)), fxiggy.Consume(Orders, "billing"),
		fx.Provide(func() consumer.DeadLetters[Order] { return orderSink(nil) }),
		fx.Invoke(func(_ *consumer.Consumer[*jobspb.DownloadTask], _ *consumer.Consumer[*jobspb.JobStatus], orders *consumer.Consumer[Order]) error {
			return orders.Handle(func(context.Context, *consumer.Message[Order]) error { return nil })
		}))
	where := map[string]any{}
	for _, e := range logs.FilterMessage("failed messages go to dead letters").All() {
		where[e.ContextMap()["consumer"].(string)] = e.ContextMap()["type"]
	}
	for _, e := range logs.FilterMessage("no dead letters, failed messages are logged and skipped").All() {
		where[e.ContextMap()["consumer"].(string)] = nil
	}
	require.Equal(t, map[string]any{"tasks": "*jobs.Publisher", "billing": "fxiggy_test.orderSink", "status": nil}, where)
}

// Each dead letter would be read and given up again, without end.
func TestDeadLettersToTheConsumersOwnTopic(t *testing.T) {
	t.Parallel()
	err := fx.New(quiet, fxiggy.Core, fxiggy.Consume(Orders, "billing", fxiggy.DeadLetters()),
		configured(offline+"\nconsumers: {billing: {dead_letters: {name: "+Orders.Name()+"}}}\n"),
		fx.Invoke(func(*consumer.Consumer[Order]) {})).Err()
	require.ErrorContains(t, dig.RootCause(err), "consumer billing: dead_letters.name: must not be "+Orders.Name())
}

// Dead letters of one topic go to a second one, whose dead letters come back over a third: a message that
// always fails would go round without end.
func TestDeadLettersThatComeBack(t *testing.T) {
	t.Parallel()
	bytesTopic := func(name string) topic.Topic[[]byte] { return topic.New("shop", name, topic.Bytes()) }
	build := func(last string) error {
		return fx.New(quiet, fxiggy.Core,
			fxiggy.Consume(bytesTopic("a"), "first", fxiggy.As("first"), fxiggy.DeadLetters()),
			fxiggy.Consume(bytesTopic("b"), "second", fxiggy.As("second"), fxiggy.DeadLetters()),
			fxiggy.Consume(bytesTopic("c"), "third", fxiggy.As("third"), fxiggy.DeadLetters()),
			configured(offline+"\nconsumers:\n  first: {dead_letters: {name: b}}\n  second: {dead_letters: {name: c}}\n  third: {dead_letters: {name: "+last+"}}\n"),
			fx.Invoke(fx.Annotate(func(_, _, _ *consumer.Consumer[[]byte]) {}, fx.ParamTags(`name:"third"`, `name:"first"`, `name:"second"`)))).Err()
	}
	require.EqualError(t, fxiggy.Cause(build("a")),
		"fxiggy: consumer second: dead_letters.name: dead letters would return to their topic: shop/b -> shop/c -> shop/a -> shop/b")
	require.NoError(t, build("d"))
}

// Dead letters among the parked messages would be delivered like messages, and become dead letters again.
func TestDeadLettersAmongTheParkedMessages(t *testing.T) {
	t.Parallel()
	build := func(parked string) error {
		return fx.New(quiet, fxiggy.Core, fxiggy.Consume(Orders, "billing", fxiggy.DeadLetters(), fxiggy.Parking()),
			configured(offline+"\nconsumers: {billing: {park_after: 1m, parked: {name: "+parked+"}}}\n"),
			fx.Invoke(func(*consumer.Consumer[Order]) {})).Err()
	}
	require.EqualError(t, fxiggy.Cause(build("orders.billing.dlq")),
		"fxiggy: consumer billing: parked.name: dead letters would return to their topic: shop/orders.billing.dlq -> shop/orders.billing.dlq")
	require.NoError(t, build("waiting"))
}
