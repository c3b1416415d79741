package grpchealth_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/health"
	"github.com/fetchbox/fetchbox-iggy/health/grpchealth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	up   = healthpb.HealthCheckResponse_SERVING
	down = healthpb.HealthCheckResponse_NOT_SERVING
)

// service is a gRPC server with two components, of which a test breaks one.
type service struct {
	registry *health.Registry
	broken   atomic.Bool
	hangs    atomic.Bool
	health   *grpchealth.Server
	server   *grpc.Server
	client   healthpb.HealthClient
}

func serve(t *testing.T) *service {
	t.Helper()
	s := &service{}
	var err error
	s.registry, err = health.NewRegistry(config.Health{Timeout: 10 * time.Second})
	require.NoError(t, err)
	require.NoError(t, s.registry.Register(
		health.Ping("producer", func(context.Context) error {
			if s.broken.Load() {
				return errors.New("not connected")
			}
			return nil
		}),
		health.Ping("consumer.tasks", func(ctx context.Context) error {
			if s.hangs.Load() {
				<-ctx.Done()
			}
			return nil
		}),
	))
	server := grpc.NewServer()
	s.health, s.server = grpchealth.New(s.registry), server
	s.health.Register(server)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	s.client = healthpb.NewHealthClient(conn)
	t.Cleanup(func() {
		require.NoError(t, conn.Close())
		server.Stop()
		require.NoError(t, <-done)
		require.NoError(t, s.registry.Stop(context.Background()))
	})
	return s
}

func (s *service) check(t *testing.T, name string) healthpb.HealthCheckResponse_ServingStatus {
	t.Helper()
	answer, err := s.client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: name})
	require.NoError(t, err, name)
	return answer.GetStatus()
}

func TestServicesMatchProbes(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for _, name := range []string{"", grpchealth.Ready, grpchealth.Live, "producer", "consumer.tasks"} {
		require.Equal(t, up, s.check(t, name), name)
	}
	s.broken.Store(true)
	want := map[string]healthpb.HealthCheckResponse_ServingStatus{
		"": down, grpchealth.Ready: down, grpchealth.Live: up, "producer": down, "consumer.tasks": up,
	}
	for name, is := range want {
		require.Equal(t, is, s.check(t, name), name)
	}
	all, err := s.client.List(t.Context(), &healthpb.HealthListRequest{})
	require.NoError(t, err)
	require.Len(t, all.GetStatuses(), len(want))
	for name, is := range want {
		require.Equal(t, is, all.GetStatuses()[name].GetStatus(), name)
	}
	_, err = s.client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: "consumer.orders"})
	require.Equal(t, codes.NotFound, status.Code(err))

	s.broken.Store(false)
	s.registry.Drain()
	require.Equal(t, down, s.check(t, grpchealth.Ready), "draining")
	require.Equal(t, up, s.check(t, grpchealth.Live), "a restart would not help")
}

func TestWatchSendsChanges(t *testing.T) {
	t.Parallel()
	s := serve(t)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	stream, err := s.client.Watch(ctx, &healthpb.HealthCheckRequest{Service: "producer"})
	require.NoError(t, err)
	next := func() healthpb.HealthCheckResponse_ServingStatus {
		answer, err := stream.Recv()
		require.NoError(t, err)
		return answer.GetStatus()
	}
	require.Equal(t, up, next())
	s.broken.Store(true)
	require.Equal(t, down, next())
	s.broken.Store(false)
	require.Equal(t, up, next())
	leave()
	_, err = stream.Recv()
	require.Equal(t, codes.Canceled, status.Code(err))

	stream, err = s.client.Watch(t.Context(), &healthpb.HealthCheckRequest{Service: "storage"})
	require.NoError(t, err)
	require.Equal(t, healthpb.HealthCheckResponse_SERVICE_UNKNOWN, next(), "it may be registered later")
	require.NoError(t, s.registry.Register(health.Ping("storage", func(context.Context) error { return nil })))
	require.Equal(t, up, next())
}

// A watch would delay a graceful stop until its client leaves.
func TestWatchEndsWhenTheStopBegins(t *testing.T) {
	t.Parallel()
	for service, last := range map[string]healthpb.HealthCheckResponse_ServingStatus{
		"": down, grpchealth.Ready: down, "producer": down, "storage": down, grpchealth.Live: up,
	} {
		for _, hangs := range []bool{false, true} {
			t.Run(fmt.Sprintf("%q, checks hang: %v", service, hangs), func(t *testing.T) {
				t.Parallel()
				s := serve(t)
				stream, err := s.client.Watch(t.Context(), &healthpb.HealthCheckRequest{Service: service})
				require.NoError(t, err)
				_, err = stream.Recv()
				require.NoError(t, err)
				s.hangs.Store(hangs)
				time.Sleep(300 * time.Millisecond) // the next check begins
				began := time.Now()
				require.NoError(t, s.health.GracefulStop(t.Context(), s.server))
				require.Less(t, time.Since(began), 3*time.Second)
				answer, err := stream.Recv()
				if last == down {
					require.NoError(t, err)
					require.Equal(t, down, answer.GetStatus())
					_, err = stream.Recv()
				}
				require.Equal(t, codes.Unavailable, status.Code(err), "%v", err)
			})
		}
	}
}

// A call of the application that does not end is cut when the time is over.
func TestGracefulStopKeepsItsTimeLimit(t *testing.T) {
	t.Parallel()
	registry, err := health.NewRegistry(config.Health{Timeout: 10 * time.Second})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, registry.Stop(context.Background())) })
	server, endpoint := grpc.NewServer(grpc.StreamInterceptor(func(_ any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, _ grpc.StreamHandler) error {
		require.NoError(t, stream.SendMsg(&healthpb.HealthCheckResponse{}))
		<-stream.Context().Done()
		return nil
	})), grpchealth.New(registry)
	endpoint.Register(server)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	stream, err := healthpb.NewHealthClient(conn).Watch(t.Context(), &healthpb.HealthCheckRequest{})
	require.NoError(t, err)
	_, err = stream.Recv()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, endpoint.GracefulStop(ctx, server), context.DeadlineExceeded)
	require.NoError(t, <-done)
}
