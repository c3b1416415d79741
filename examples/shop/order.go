package main

import (
	"time"

	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Order is what a customer buys.
type Order struct {
	ID       string `json:"id"`
	Customer string `json:"customer"`
	Cents    int64  `json:"cents"`
}

// Orders is the topic of orders. The orders of a customer stay in order, and are billed one at a time.
var Orders = topic.New("shop", "orders", topic.JSON[Order](topic.TypeName("shop.Order")),
	topic.Key(func(o Order) string { return o.Customer }),
	topic.StoreKey[Order](),
	topic.WithSettings[Order](topic.Settings{Partitions: 4, Retention: 30 * 24 * time.Hour}))

// Invoice is what a customer pays.
type Invoice struct {
	OrderID  string `json:"order_id"`
	Customer string `json:"customer"`
	Cents    int64  `json:"cents"`
}

// Invoices is the topic of invoices. It is on the cluster of the accounting department.
var Invoices = topic.New("accounting", "invoices", topic.JSON[Invoice](topic.TypeName("accounting.Invoice")),
	topic.Key(func(i Invoice) string { return i.Customer }))
