package fxiggy_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

func TestCauseIsOneReadableList(t *testing.T) {
	t.Parallel()
	first, second := errors.New("first"), errors.New("second")
	hook := func(errs ...error) error {
		return fx.New(quiet, fx.Invoke(func(lc fx.Lifecycle) {
			for _, err := range errs {
				lc.Append(fx.Hook{OnStop: func(context.Context) error { return err }})
			}
			lc.Append(fx.Hook{OnStart: func(context.Context) error { return first }})
		})).Start(t.Context())
	}
	build := func(opts ...fx.Option) error {
		return fx.New(append(opts, quiet, fxiggy.Module, fx.Invoke(func(*jobs.Publisher) {}))...).Err()
	}
	for name, tt := range map[string]struct {
		err  error
		want string
	}{
		"nothing":        {nil, ""},
		"one fault":      {build(configured("iggy: {client_id: a, client_secret: b, endpont: x}")), "iggy.endpont: unknown key; did you mean endpoint? (test.yaml:1)"},
		"several":        {build(configured("iggy: {client_id: a, client_secret: b, endpoint: 'http://x'}\nproducer: {connections: 0}")), "2 faults:\n  - iggy.endpoint: must be iggy://host:port or tcp://host:port, not another scheme (test.yaml:1)\n  - producer.connections: must be 1 or more (test.yaml:2)"},
		"several of Fx":  {build(fx.Error(first), fx.Error(second)), "2 faults:\n  - first\n  - second"},
		"start":          {hook(), "first"},
		"start and stop": {hook(second), "2 faults:\n  - first\n  - second"},
		"wrapped":        {fmt.Errorf("both: %w, %w", first, second), "both: first, second"},
		"lines":          {errors.Join(errors.New("a\nb"), second), "2 faults:\n  - a\n    b\n  - second"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := fxiggy.Cause(tt.err)
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, tt.want)
		})
	}
	require.ErrorIs(t, fxiggy.Cause(errors.Join(first, second)), second)
	var key *config.KeyError
	require.ErrorAs(t, fxiggy.Cause(build(configured("iggy: {endpont: x}"))), &key)
}

// A password that an editor, a shell or a secret store has changed is hard to see, and must not be
// shown.
// sliceError is an error that can't be compared.
type sliceError []string

func (e sliceError) Error() string { return strings.Join(e, ", ") }

func TestCauseOfErrorsThatCannotBeCompared(t *testing.T) {
	t.Parallel()
	missing := fx.New(quiet, fxiggy.Core, configured("iggy: {token: t}"), fx.Invoke(func(*producer.Publisher[Order]) {})).Err()
	require.ErrorContains(t, fxiggy.Cause(missing), "missing type")
	require.ErrorContains(t, fxiggy.Cause(missing), "*producer.Publisher[")

	slice := sliceError{"a", "b"}
	failing := fx.New(quiet, fx.Provide(func() (int, error) { return 0, slice }), fx.Invoke(func(int) {})).Err()
	require.Equal(t, error(slice), fxiggy.Cause(failing))

	two := fxiggy.Cause(errors.Join(errors.New("first"), errors.New("second")))
	require.EqualError(t, two, "2 faults:\n  - first\n  - second")
	require.EqualError(t, fxiggy.Cause(two), two.Error())
}

func TestARefusedPasswordIsExplained(t *testing.T) {
	t.Parallel()
	srv := server(t)
	for name, tt := range map[string]struct{ secret, want string }{
		"line break":      {`"iggy\n"`, "iggy.client_secret ends in a line break"},
		"byte order mark": {`"\uFEFFiggy"`, "iggy.client_secret begins with a byte order mark"},
		"quotes":          {`"'iggy'"`, "iggy.client_secret is in quotation marks"},
		"space":           {`"iggy "`, "iggy.client_secret begins or ends with a space or tab"},
	} {
		for _, more := range []string{"", ", transport: sdk", "}\ntopics: {provision: false"} {
			t.Run(name+more, func(t *testing.T) {
				t.Parallel()
				app := fx.New(quiet, fxiggy.Module, configured("iggy: {endpoint: 'iggy://"+srv.Address()+"', client_id: iggy, client_secret: "+tt.secret+more+"}"),
					fx.Invoke(func(*jobs.Publisher) {}))
				require.NoError(t, app.Err())
				err := fxiggy.Cause(app.Start(t.Context()))
				require.ErrorIs(t, err, iggyerr.ErrCredentials)
				require.ErrorContains(t, err, tt.want)
			})
		}
	}
	app := fx.New(quiet, fxiggy.Module, configured("iggy: {endpoint: 'iggy://"+srv.Address()+"', client_id: iggy, client_secret: wr0ng}"), fx.Invoke(func(*jobs.Publisher) {}))
	err := app.Start(t.Context())
	require.ErrorIs(t, err, iggyerr.ErrCredentials)
	require.NotContains(t, err.Error(), "(iggy.", "there is nothing to see")
}
