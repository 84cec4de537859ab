package suite

import (
	"fmt"
	"io"
	"os"
	"time"
)

// meter shows on a terminal how far a run has come. Elsewhere it shows nothing.
type meter struct {
	w     io.Writer // nil where it is no terminal
	begin time.Time
	known int // cases that were not run but known
	shown bool
}

func newMeter(w io.Writer) *meter {
	m := &meter{begin: time.Now()}
	if file, ok := w.(*os.File); ok {
		if info, err := file.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			m.w = w
		}
	}
	return m
}

func (m *meter) done(p Progress) error {
	if p.Known {
		m.known++
	}
	if m.w != nil {
		m.shown = true
		fmt.Fprintf(m.w, "\r\x1b[K%s", progress(p, m.known, time.Since(m.begin)))
	}
	return nil // whether a terminal is there is no reason to stop
}

// end clears the line.
func (m *meter) end() {
	if m.shown {
		fmt.Fprint(m.w, "\r\x1b[K")
		m.shown = false
	}
}

// progress says how many cases are done and, once some were run, how long the others will take if they take as long in the mean.
func progress(p Progress, known int, passed time.Duration) string {
	text := fmt.Sprintf("%d of %d: %s, %s, %s, seed %d", p.Done, p.Cases, p.Scenario, p.Workload, p.Policy, p.Seed)
	if ran := p.Done - known; ran > 0 && p.Done < p.Cases {
		left := passed / time.Duration(ran) * time.Duration(p.Cases-p.Done)
		text += fmt.Sprintf("; %v left", left.Round(time.Second))
	}
	return text
}
