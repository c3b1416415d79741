package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/metric"
	"golang.org/x/time/rate"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// BillingConfig is the section "billing" of the configuration.
type BillingConfig struct {
	PerSecond float64 `yaml:"per_second"` // orders in one process
}

// Validate is called when the configuration is loaded.
func (c BillingConfig) Validate() error {
	if c.PerSecond <= 0 {
		return &config.KeyError{Key: "per_second", Err: errors.New("must be above 0")}
	}
	return nil
}

// invoicePublisher is a *producer.Publisher[Invoice], or its double in a test.
type invoicePublisher interface {
	Publish(ctx context.Context, i Invoice, opts ...producer.PublishOption) (producer.Result, error)
}

// Billing writes an invoice for each order.
type Billing struct {
	invoices invoicePublisher
	billed   metric.Int64Counter
}

func newBilling(invoices invoicePublisher, meters metric.MeterProvider) (*Billing, error) {
	billed, err := meters.Meter("shop").Int64Counter("shop.billed_cents")
	return &Billing{invoices: invoices, billed: billed}, err
}

// Bill handles an order. An order may be delivered again after a crash, so the id of its invoice is
// computed from its own: readers with dedup_window see one invoice.
func (b *Billing) Bill(ctx context.Context, m *consumer.Message[Order]) error {
	o := m.Value
	if o.ID == "" || o.Cents <= 0 {
		// Another attempt would fail, too: a dead letter.
		return consumer.Permanent(fmt.Errorf("order %q: nothing to bill", o.ID))
	}
	_, err := b.invoices.Publish(ctx, Invoice{OrderID: o.ID, Customer: o.Customer, Cents: o.Cents},
		producer.WithID(uuid.NewSHA1(uuid.NameSpaceOID, []byte(o.ID))))
	switch {
	case errors.Is(err, iggyerr.ErrTooLarge):
		return consumer.Permanent(err) // the name is too long for a key: another attempt would fail, too
	case err != nil:
		return consumer.Unavailable(err) // the other cluster is unavailable: wait, and count no delivery
	}
	b.billed.Add(ctx, o.Cents)
	return nil
}

// startBilling connects Billing to its consumer.
func startBilling(orders *consumer.Consumer[Order], invoices *producer.Publisher[Invoice], cfg BillingConfig, meters metric.MeterProvider) error {
	b, err := newBilling(invoices, meters)
	if err != nil {
		return err
	}
	limit := consumer.RateLimit[Order](rate.NewLimiter(rate.Limit(cfg.PerSecond), 1))
	return errors.Join(orders.Use(limit), orders.Handle(b.Bill))
}
