package main

import (
	"time"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// tunedRows are the rows with other settings than the defaults.
func tunedRows() []row {
	var rows []row
	send := func(name string, change func(*config.Producer)) {
		s := defaultSending(groupTuned, name, base)
		change(&s.cfg)
		rows = append(rows, s.row())
	}
	send("`SendAsync`, large batches", func(cfg *config.Producer) {
		cfg.MaxBatchMessages, cfg.MaxBatchBytes = 10_000, 8<<20
	})
	send("`SendAsync`, two connections", func(cfg *config.Producer) { cfg.Connections = 2 })
	send("`SendAsync`, linger", func(cfg *config.Producer) { cfg.Linger = 5 * time.Millisecond })

	consume := func(name string, w workload, d delivery) {
		s := defaultConsuming(groupTuned, name, w)
		s.cfg, s.delivery = throughputConfig("g"), d
		rows = append(rows, s.row())
	}
	consume("`Handle`", base, byHandle)
	consume("`HandleBatch`", base, byHandleBatch)
	consume("`Messages` and `Ack`", base, byMessages)
	consume("`Handle`, round trip 2 ms", base.distant(2*time.Millisecond), byHandle)
	consume("`Handle`, round trip 20 ms", base.distant(20*time.Millisecond), byHandle)

	for _, c := range []config.Compression{config.CompressionZstd, config.CompressionS2} {
		w := base
		w.payload, w.compression = 10<<10, c
		s := defaultSending(groupTuned, string(c)+", `Publisher`", w)
		s.table, s.form = tableCompressed, bytesForm
		r := s.row()
		r.settings = "`compression` " + string(c)
		rows = append(rows, r)
		read := defaultConsuming(groupTuned, string(c)+", `Handle`", w)
		read.table, read.cfg = tableCompressed, throughputConfig("g")
		rows = append(rows, read.row())
	}
	return append(rows, stalledProducer(), stuckConsumer())
}
