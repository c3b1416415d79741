package main

import (
	"context"
	"sync"

	"github.com/fetchbox/fetchbox-iggy/consumer"
)

// Totals is a projection in memory: what each customer has ordered. Each start reads all orders from
// the first one on.
type Totals struct {
	mu        sync.Mutex
	orders    map[string]bool // by id, since an order may be stored or delivered twice
	customers map[string]int64
}

func newTotals(orders *consumer.Consumer[Order]) (*Totals, error) {
	t := &Totals{orders: map[string]bool{}, customers: map[string]int64{}}
	return t, orders.Handle(t.add)
}

func (t *Totals) add(_ context.Context, m *consumer.Message[Order]) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if o := m.Value; !t.orders[o.ID] && o.Cents > 0 {
		t.orders[o.ID] = true
		t.customers[o.Customer] += o.Cents
	}
	return nil
}

// Of returns what a customer has ordered, in cents.
func (t *Totals) Of(customer string) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.customers[customer]
}
