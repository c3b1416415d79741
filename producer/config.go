package producer

import (
	"errors"
	"fmt"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// check refuses what would make the producer hang or divide by zero; the rest is the
// configuration's own matter.
func check(cfg config.Producer) error {
	var errs []error
	positive := func(key string, n int64) {
		if n < 1 {
			errs = append(errs, fmt.Errorf("producer.%s: must be 1 or more", key))
		}
	}
	positive("connections", int64(cfg.Connections))
	positive("max_batch_messages", int64(cfg.MaxBatchMessages))
	positive("max_batch_bytes", int64(cfg.MaxBatchBytes))
	positive("max_buffered_bytes", int64(cfg.MaxBufferedBytes))
	positive("max_buffered_messages", int64(cfg.MaxBufferedMessages))
	positive("delivery_timeout", int64(cfg.DeliveryTimeout))
	positive("metadata_interval", int64(cfg.MetadataInterval))
	return errors.Join(errs...)
}
