package config

import "time"

// Default returns the default of every key. It has no credentials, and so can't be used without
// some.
func Default() Config {
	return Config{
		Cluster: DefaultCluster(),
		Health:  Health{Timeout: 2 * time.Second, Interval: time.Second},
	}
}

// DefaultCluster returns the default of every key of a cluster, without consumers and topics.
func DefaultCluster() Cluster {
	return Cluster{
		Iggy: Iggy{
			Endpoint:          "iggy://127.0.0.1:8090",
			Transport:         TransportNative,
			DialTimeout:       5 * time.Second,
			RequestTimeout:    10 * time.Second,
			HeartbeatInterval: 5 * time.Second,
			Start:             StartWait,
			StartTimeout:      10 * time.Second,
			Reconnect:         Backoff{BaseBackoff: 100 * time.Millisecond, MaxBackoff: 5 * time.Second, Jitter: 0.2},
			Breaker:           Breaker{Failures: 5, Delay: time.Second},
		},
		Producer: Producer{
			Connections:         1,
			MaxBatchMessages:    1000,
			MaxBatchBytes:       1 << 20,
			MaxBufferedBytes:    64 << 20,
			MaxBufferedMessages: 100_000,
			WhenFull:            WhenFullBlock,
			DeliveryTimeout:     time.Minute,
			Retry: Retry{
				MaxRetries: 10,
				Backoff:    Backoff{BaseBackoff: 100 * time.Millisecond, MaxBackoff: 5 * time.Second, Jitter: 0.2},
			},
			MetadataInterval: 30 * time.Second,
			DrainTimeout:     5 * time.Second,
		},
		Consumers: map[string]Consumer{},
		Topics:    Topics{Provision: true, Declared: map[string]Topic{}},
	}
}

// DefaultTopic returns the default of every key of a topic.
func DefaultTopic(stream, name string) Topic {
	return Topic{Stream: stream, Name: name, Partitions: 1, Compression: CompressionNone, CompressionMinSize: 1 << 10}
}

// DefaultConsumer returns the default of every key of a consumer in the given group.
func DefaultConsumer(group string) Consumer {
	return Consumer{
		Group:                group,
		BatchSize:            500,
		MaxInFlight:          32,
		MaxBufferedBytes:     32 << 20,
		AckMode:              AckAuto,
		CommitInterval:       time.Second,
		CommitEvery:          1000,
		Retry:                Redelivery{MaxDeliveries: 5, Backoff: Backoff{BaseBackoff: 200 * time.Millisecond, MaxBackoff: 30 * time.Second, Jitter: 0.2}},
		PollIntervalMin:      time.Millisecond,
		PollIntervalMax:      50 * time.Millisecond,
		StartFrom:            StartFirst,
		ProbeInterval:        time.Second,
		RebalanceTimeout:     20 * time.Second,
		FairAssignment:       true,
		RebalanceAfter:       3 * time.Second,
		RebalanceGrace:       5 * time.Second,
		OnGap:                GapContinue,
		OnReset:              ResetFollow,
		MaxDecompressedBytes: 64 << 20,
		DrainTimeout:         8 * time.Second,
		DeadLetters:          GroupTopic{Partitions: 1, Retention: Retention(90 * 24 * time.Hour)},
		Parked:               GroupTopic{Partitions: 8, Retention: Retention(7 * 24 * time.Hour)},
	}
}
