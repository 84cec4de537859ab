package extender

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what Prometheus is told; none where there is no registerer.
type metrics struct {
	took *prometheus.HistogramVec
}

func newMetrics(to prometheus.Registerer, e *Extender) (*metrics, error) {
	if to == nil {
		return &metrics{}, nil
	}
	m := &metrics{took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "berth", Subsystem: "extender", Name: "request_seconds",
		Help:    "How long a verb took, from the first byte of the request to the last of the answer, by verb and result.",
		Buckets: prometheus.ExponentialBuckets(0.0001, 2, 17),
	}, []string{"verb", "result"})}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "berth", Subsystem: "cache", Name: name, Help: help}, value)
	}
	for _, c := range []prometheus.Collector{
		m.took,
		gauge("nodes", "Nodes that are known.", func() float64 { n, _ := e.cache.Len(); return float64(n) }),
		gauge("pods", "Pods that are known and have not ended.", func() float64 { _, n := e.cache.Len(); return float64(n) }),
		gauge("leases", "Pods that room is held for until they are bound.", func() float64 { return float64(e.cache.Leases()) }),
		gauge("doubtful", "Pods of which nobody knows whether they are bound.", func() float64 { return float64(len(e.cache.Doubtful(0))) }),
		gauge("problems", "Objects that could not be taken as they are.", func() float64 { return float64(len(e.cache.Problems())) }),
		gauge("unknown_resources", "Resources that the policies name and no node has.", func() float64 { return float64(len(e.Unknown())) }),
		gauge("silent_seconds", "Since when the API server was not heard of.", func() float64 { _, d := e.cache.Synced(); return d.Seconds() }),
		gauge("ready", "1 if verbs are answered.", func() float64 {
			if e.Ready() != nil {
				return 0
			}
			return 1
		}),
	} {
		if err := to.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) observe(verb, result string, took time.Duration) {
	if m.took != nil {
		m.took.WithLabelValues(verb, result).Observe(took.Seconds())
	}
}
