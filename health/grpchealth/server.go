package grpchealth

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/fetchbox/fetchbox-iggy/health"
)

// The services of a Server besides the components of its Registry. Each component is a service
// under its own name, such as "producer" and "consumer.tasks".
const (
	// Live is SERVING while the process runs, as health.LivePath.
	Live = "live"
	// Ready is SERVING while all components are up and the process is not draining, as
	// health.ReadyPath. The empty name, which stands for the whole server, means the same.
	Ready = "ready"
)

// watchInterval is how often Watch reads the status. The Registry reuses results that are younger
// than health.interval.
const watchInterval = 250 * time.Millisecond

// Server is the service grpc.health.v1.Health. It is safe for concurrent use.
type Server struct {
	healthpb.UnimplementedHealthServer
	registry *health.Registry
}

// New makes the Server of a Registry.
func New(r *health.Registry) *Server { return &Server{registry: r} }

// Register adds the service to a gRPC server, which must not serve yet.
func (s *Server) Register(r grpc.ServiceRegistrar) { healthpb.RegisterHealthServer(r, s) }

// Check returns the status of a service. An unknown one is codes.NotFound.
func (s *Server) Check(ctx context.Context, in *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	current := s.state(ctx, in.GetService())
	if current == healthpb.HealthCheckResponse_SERVICE_UNKNOWN {
		return nil, status.Errorf(codes.NotFound, "there is no service or component %q", in.GetService())
	}
	return &healthpb.HealthCheckResponse{Status: current}, nil
}

// List returns the status of all services.
func (s *Server) List(ctx context.Context, _ *healthpb.HealthListRequest) (*healthpb.HealthListResponse, error) {
	report := s.registry.Check(ctx)
	all := map[string]*healthpb.HealthCheckResponse{}
	for name, component := range report.Components {
		all[name] = &healthpb.HealthCheckResponse{Status: serving(component.Status)}
	}
	// Set last: as in Check, they take precedence over components of the same name.
	all[Live] = &healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVING}
	for _, whole := range []string{"", Ready} {
		all[whole] = &healthpb.HealthCheckResponse{Status: serving(report.Status)}
	}
	return &healthpb.HealthListResponse{Statuses: all}, nil
}

// Watch sends the status of a service now and, within about a second, after each change. It ends
// when the client cancels it, and when the stop of the process begins (health.Registry.Drain): then
// it sends NOT_SERVING and ends with codes.Unavailable. A watch of Live ends without NOT_SERVING.
func (s *Server) Watch(in *healthpb.HealthCheckRequest, stream grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
	ctx := stream.Context()
	checks, endChecks := s.untilDraining(ctx)
	defer endChecks()
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	sent := healthpb.HealthCheckResponse_ServingStatus(-1)
	for {
		current, last := s.watched(checks, in.GetService())
		if ctx.Err() != nil {
			return status.FromContextError(ctx.Err()).Err()
		}
		if current != sent {
			if err := stream.Send(&healthpb.HealthCheckResponse{Status: current}); err != nil {
				return err
			}
			sent = current
		}
		if last {
			return status.Error(codes.Unavailable, "the process is stopping")
		}
		select {
		case <-tick.C:
		case <-s.registry.Draining():
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		}
	}
}

// untilDraining is ctx that also ends when the stop begins: then no watch waits for a check. The
// returned function releases it.
func (s *Server) untilDraining(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	var ended sync.WaitGroup
	ended.Go(func() {
		select {
		case <-s.registry.Draining():
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		cancel()
		ended.Wait()
	}
}

// watched is the status that a watch sends, and whether it is the last one.
func (s *Server) watched(ctx context.Context, service string) (current healthpb.HealthCheckResponse_ServingStatus, last bool) {
	current = s.state(ctx, service)
	select {
	case <-s.registry.Draining():
		if service != Live {
			current = healthpb.HealthCheckResponse_NOT_SERVING
		}
		return current, true
	default:
		return current, false
	}
}

// GracefulStop drains the registry, which ends the watches, and stops server gracefully. When ctx
// ends first, it stops the server at once and returns the cause. Without the drain,
// grpc.Server.GracefulStop would wait for watches until their clients leave.
func (s *Server) GracefulStop(ctx context.Context, server *grpc.Server) error {
	s.registry.Drain()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		server.GracefulStop()
	}()
	select {
	case <-stopped:
		return nil
	case <-ctx.Done():
		server.Stop()
		<-stopped
		return fmt.Errorf("gRPC server stopped with calls in progress: %w", context.Cause(ctx))
	}
}

// state is the status of a service, SERVICE_UNKNOWN when there is none of that name.
func (s *Server) state(ctx context.Context, service string) healthpb.HealthCheckResponse_ServingStatus {
	if service == Live {
		return healthpb.HealthCheckResponse_SERVING // also while a check hangs
	}
	report := s.registry.Check(ctx)
	if service == "" || service == Ready {
		return serving(report.Status)
	}
	component, ok := report.Components[service]
	if !ok {
		return healthpb.HealthCheckResponse_SERVICE_UNKNOWN
	}
	return serving(component.Status)
}

// serving converts a status.
func serving(s health.Status) healthpb.HealthCheckResponse_ServingStatus {
	if s == health.Up {
		return healthpb.HealthCheckResponse_SERVING
	}
	return healthpb.HealthCheckResponse_NOT_SERVING
}
